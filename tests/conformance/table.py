"""The one table of cases; every verb has a case that is allowed and one that is refused."""

from tests.conformance import cards, leases, memories, moves, surveys, talk, updates, waiting

CASES = (*leases.CASES, *cards.CASES, *moves.CASES, *updates.CASES, *talk.CASES, *waiting.CASES, *surveys.CASES, *memories.CASES)
