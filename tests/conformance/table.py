"""The one table of cases; every verb has a case that is allowed and one that is refused."""

from tests.conformance import cards, leases, memories, moves, reservations, surveys, talk, updates, vcs, waiting

CASES = (
    *leases.CASES,
    *cards.CASES,
    *moves.CASES,
    *reservations.CASES,
    *updates.CASES,
    *talk.CASES,
    *waiting.CASES,
    *surveys.CASES,
    *memories.CASES,
    *vcs.CASES,
)
