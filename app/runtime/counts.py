"""What one process's workers count, in plain numbers that somebody else exports."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

from app.runtime.types import Claim, ErrorClass

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
# More kinds of commands than this are counted together, so that the numbers stay few whatever is stored.
MOST_KINDS = 200
OTHER = ("other", "other")
Kind = tuple[str, str]


class Durations:
    """How many durations fell below each of `SECONDS`, and their sum; the last bucket has no bound."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


class Counts:
    """Commands are counted by kind, which is their type and profile.

    `late` is how long they had been due when they were claimed, `outcomes` is by kind, outcome and error class or "".
    """

    def __init__(self) -> None:
        self.claims: Counter[Kind] = Counter()
        self.late: defaultdict[Kind, Durations] = defaultdict(Durations)
        self.ran: defaultdict[Kind, Durations] = defaultdict(Durations)
        self.outcomes: Counter[tuple[str, str, str, str]] = Counter()
        self.abandoned: Counter[Kind] = Counter()
        self.fenced = 0
        self.empty_claims = 0
        self.leases_lost = 0
        self.lives_lost = 0
        self.limits_repaired = 0

    def claimed(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            kind = self._kind(claim)
            self.claims[kind] += 1
            self.late[kind].add(max(claim.late, 0.0))

    def ended(self, claim: Claim, *, outcome: str, error: ErrorClass | None, took: float) -> None:
        kind = self._kind(claim)
        self.outcomes[*kind, outcome, "" if error is None else error.value] += 1
        self.ran[kind].add(took)

    def abandon(self, claim: Claim) -> None:
        self.abandoned[self._kind(claim)] += 1

    def _kind(self, claim: Claim) -> Kind:
        kind = (claim.type, claim.profile)
        return kind if kind in self.claims or len(self.claims) < MOST_KINDS else OTHER
