"""Which executor profiles a run may be made by, in which order, and what follows when one fails."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.agents.executors import WITHOUT_WORKSPACE
from app.agents.types import Adapter
from app.delivery.types.runs import FailureClass, Profile
from app.runtime.closings import Failure
from app.runtime.types import ErrorClass

DEFAULT = Profile(name="default", adapter=Adapter.RESPONSES)
ERRORS = {
    FailureClass.UNAVAILABLE: ErrorClass.UNAVAILABLE,
    FailureClass.TIMEOUT: ErrorClass.TIMEOUT,
    FailureClass.RATE_LIMITED: ErrorClass.RATE_LIMITED,
    FailureClass.QUOTA: ErrorClass.RATE_LIMITED,
    FailureClass.AUTH: ErrorClass.AUTH,
    FailureClass.FORMAT: ErrorClass.TRANSIENT,
    FailureClass.REFUSED: ErrorClass.VALIDATION,
}
PASSING = (ErrorClass.UNAVAILABLE, ErrorClass.RATE_LIMITED, ErrorClass.TIMEOUT)
# The more hopeful first: what passes by itself, what another try may mend, what only a person mends.
HOPE = (*PASSING, ErrorClass.TRANSIENT, ErrorClass.AUTH, ErrorClass.VALIDATION)


class _Row(msgspec.Struct, frozen=True):
    name: str
    adapter: Adapter
    url: str | None
    settings: dict[str, Any]
    timeout_seconds: float | None


def read(profiles: str | None, *, timeout_seconds: float) -> tuple[Profile, ...]:
    """The agent's own profile and those to try after it; one of an agent that has none any more is the environment's."""
    rows = msgspec.json.decode(profiles or "[]", type=tuple[_Row, ...])
    found = tuple(
        Profile(
            name=row.name,
            adapter=row.adapter,
            url=row.url,
            settings=row.settings,
            timeout_seconds=row.timeout_seconds or timeout_seconds,
        )
        for row in rows
    )
    return found or (msgspec.structs.replace(DEFAULT, timeout_seconds=timeout_seconds),)


def needs_identity(profiles: str | None) -> bool:
    """Whether one of them runs the agent by nothing but its prompt."""
    rows = msgspec.json.decode(profiles or "[]", type=tuple[_Row, ...])
    return any(row.adapter in WITHOUT_WORKSPACE for row in rows)


def order(profiles: Sequence[Profile], *, name: str, adapter: Adapter) -> tuple[Profile, ...]:
    """All of them, beginning with the one that was asked last, so that the same bytes go out as long as it is there."""
    place = next((place for place, one in enumerate(profiles) if (one.name, one.adapter) == (name, adapter)), 0)
    return (*profiles[place:], *profiles[:place])


def outcome(failures: Sequence[Failure]) -> Failure:
    """What several profiles that all failed come to: the most hopeful failure decides, and the first that is there again."""
    best = min(failures, key=lambda failure: HOPE.index(failure.error))
    waits = [failure.retry_after for failure in failures if failure.error in PASSING]
    soonest = None if None in waits else min((one for one in waits if one is not None), default=best.retry_after)
    return Failure(error=best.error, message="; then ".join(one.message for one in failures), retry_after=soonest)
