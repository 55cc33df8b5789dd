"""What agents may do with cards."""

from app.tasks.tools import cards, evidence, leases, orchestrating, reading

VERBS = (*leases.VERBS, *cards.VERBS, *evidence.VERBS, *reading.VERBS, *orchestrating.VERBS)
