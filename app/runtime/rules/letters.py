"""Which dead letters may be replayed, by whom and how many at once, and what replaying came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.runtime.rules.profiles import NEVER_RETRIED
from app.runtime.types import CommandState, DeadLetterState, ErrorClass, Profile, ReplayObstacle

# The same input gives the same refusal, and what killed its workers kills others: somebody must have mended the cause.
ONLY_IF_NAMED = NEVER_RETRIED | {ErrorClass.WORKER_LOST}

WORDS: Mapping[ReplayObstacle, str] = {
    ReplayObstacle.NOT_OPEN: "only an open dead letter is replayed",
    ReplayObstacle.PROFILE: "its profile allows no replay",
    ReplayObstacle.UNKNOWN_TYPE: "no handler is declared for its type",
    ReplayObstacle.INELIGIBLE: "it was marked as not to be replayed",
    ReplayObstacle.OWN_REQUEST: "a replay of what needed approval approves it again, which who asked for it may not do",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFacts:
    """A dead letter with its command; `is_marked` is what was decided about it when it was written."""

    state: DeadLetterState
    command_state: CommandState
    profile: Profile
    is_known: bool
    is_marked: bool = True
    requested_by: UUID | None = None


def is_eligible(facts: LetterFacts) -> bool:
    """Whether a replay may ever help, whatever the letter's state and whoever asks."""
    return _never(facts) is None


def obstacle(facts: LetterFacts, *, who: UUID) -> ReplayObstacle | None:
    """What keeps `who` from replaying it now, None when nothing does."""
    if facts.state is not DeadLetterState.OPEN or facts.command_state is not CommandState.DEAD_LETTERED:
        return ReplayObstacle.NOT_OPEN
    if facts.profile.needs_approval and facts.requested_by == who:
        return _never(facts) or ReplayObstacle.OWN_REQUEST
    return _never(facts)


def _never(facts: LetterFacts) -> ReplayObstacle | None:
    if not facts.profile.replays:
        return ReplayObstacle.PROFILE
    if not facts.is_known:
        return ReplayObstacle.UNKNOWN_TYPE
    return None if facts.is_marked else ReplayObstacle.INELIGIBLE


def left_out(*, is_named: bool) -> frozenset[ErrorClass]:
    """The causes that a replay of many passes over; `is_named` when it says which cause or type it means."""
    return frozenset() if is_named else ONLY_IF_NAMED


def in_bulk(profile: Profile) -> bool:
    """Whether letters under this profile are replayed with others; what people approved one by one is not."""
    return profile.replays and not profile.needs_approval


def success_rate(*, resolved: int, ended: int) -> float | None:
    """Of the replayed letters whose replay came to an end, those that succeeded; None when there are none."""
    return resolved / ended if ended else None


def share(count: int, *, total: int) -> float:
    return count / total if total else 0.0
