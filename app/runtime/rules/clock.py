"""How a simulated clock moves: from one due instant to the next, and only when all is quiet."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """`due` is the earliest instant at which something wants to begin, and may be past."""

    now: datetime
    due: datetime | None
    is_running: bool

    @property
    def is_quiet(self) -> bool:
        return not self.is_running and (self.due is None or self.due > self.now)


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is due or under way at this instant."""


@dataclass(frozen=True, slots=True)
class MoveTo:
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrived:
    """The target is reached, and all is quiet there."""


Step = Wait | MoveTo | Arrived


def step(facts: ClockFacts, *, target: datetime) -> Step:
    """What comes next on the way to `target`."""
    if not facts.is_quiet:
        return Wait()
    if facts.now >= target:
        return Arrived()
    return MoveTo(target if facts.due is None else min(facts.due, target))
