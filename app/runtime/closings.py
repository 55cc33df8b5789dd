"""How an attempt ends, as its profile decides."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.ids import new_id
from app.runtime.rules.profiles import profile_of, verdict
from app.runtime.types import AlertSeverity, Claim, CommandState, ErrorClass, GiveUp, Profile, RetryAt

LONGEST_MESSAGE = 500
LETTER_DAYS = 90
EVENTS: Mapping[CommandState, str] = {
    CommandState.SUCCEEDED: "runtime:command:succeeded",
    CommandState.RETRY_SCHEDULED: "runtime:command:retry_scheduled",
    CommandState.FAILED_TERMINAL: "runtime:command:failed",
    CommandState.DEAD_LETTERED: "runtime:command:dead_lettered",
    CommandState.CANCELED: "runtime:command:canceled",
    CommandState.QUEUED: "runtime:command:released",
}


class Closing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The end of one attempt; its first four fields are the fence, `lost`, `released` and `waited` are added to the command's.

    With a letter may come an alert; what `halts` its lane lets nothing pass, and only what `replays` may be replayed.
    One that `is_plain` is a success with nothing to say, outside of lanes and replays.
    """

    account_id: UUID
    id: UUID
    attempt: int
    worker_id: UUID
    state: CommandState
    outcome: str
    event: str
    event_id: UUID
    retention_days: int
    delay: float = 0.0
    error_class: ErrorClass | None = None
    error_message: str | None = None
    result: msgspec.Raw | None = None
    lost: int = 0
    released: int = 0
    waited: int = 0
    letter_id: UUID | None = None
    alert_id: UUID | None = None
    severity: AlertSeverity | None = None
    halts: bool = False
    replays: bool = True
    summary: str | None = None
    tokens: dict[str, int] | None = None
    cost_usd: Decimal | None = None
    executor: str | None = None
    is_of_lane: bool = False
    is_plain: bool = False

    @property
    def may_make_due(self) -> bool:
        """Whether the end of it may let another command begin."""
        return self.is_of_lane or self.state in GIVEN_UP


GIVEN_UP = frozenset({CommandState.FAILED_TERMINAL, CommandState.DEAD_LETTERED, CommandState.CANCELED})


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    error: ErrorClass
    message: str
    retry_after: float | None = None


class Spending(msgspec.Struct, kw_only=True):
    """What an attempt used, as its handler reports it; kept however the attempt ends."""

    tokens: dict[str, int] | None = None
    cost_usd: Decimal | None = None
    executor: str | None = None
    summary: str | None = None


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt whose worker is gone; `is_restart` says that the database was, so that the worker could not have told."""

    account_id: UUID
    id: UUID
    type: str
    profile: str
    attempt: int
    worker_id: UUID
    lost: int
    released: int
    waited: int
    spent: int
    elapsed: float
    expired: bool
    is_restart: bool


def succeeded(claim: Claim, *, worker_id: UUID, profile: Profile | None = None, spending: Spending | None = None) -> Closing:
    is_plain = spending is None and claim.lane_id is None and not claim.spent
    return _closing(claim, worker_id, CommandState.SUCCEEDED, "succeeded", profile, is_plain=is_plain, **_spent(spending))


def released(claim: Claim, *, worker_id: UUID, profile: Profile | None = None, spending: Spending | None = None) -> Closing:
    """Give the command back untried."""
    return _closing(claim, worker_id, CommandState.QUEUED, "released", profile, released=1, **_spent(spending))


def canceled(claim: Claim, *, worker_id: UUID, profile: Profile | None = None, spending: Spending | None = None) -> Closing:
    """End the command because somebody asked for that."""
    return _closing(claim, worker_id, CommandState.CANCELED, "canceled", profile, **_spent(spending))


def failed(  # noqa: PLR0913
    claim: Claim,
    failure: Failure,
    *,
    worker_id: UUID,
    jitter: float,
    profile: Profile | None = None,
    took: float = 0.0,
    spending: Spending | None = None,
) -> Closing:
    """Close a failed attempt, which `took` so many seconds, as its profile decides."""
    profile = profile or profile_of(claim.profile)
    decision = verdict(
        profile,
        error=failure.error,
        budget_used=claim.budget_used,
        lost=claim.lost,
        expired=claim.expired,
        retry_after=failure.retry_after,
        waited=claim.waited,
        jitter=jitter,
        elapsed=claim.elapsed + took,
    )
    fields: dict[str, Any] = {"error_class": failure.error, "error_message": clean(failure.message), **_spent(spending)}
    if isinstance(decision, RetryAt):
        fields |= {"delay": decision.delay, "waited": 0 if decision.counts else 1}
        return _closing(claim, worker_id, CommandState.RETRY_SCHEDULED, "failed", profile, **fields)
    fields |= _letter(decision, profile, is_replay=claim.spent > 0)
    return _closing(claim, worker_id, decision.state, "failed", profile, **fields)


def lost(row: Lost, *, profile: Profile) -> Closing:
    """Close the attempt of a worker that is gone."""
    fence = {"account_id": row.account_id, "id": row.id, "attempt": row.attempt, "worker_id": row.worker_id}
    about: dict[str, Any] = {"outcome": "lost", "event_id": new_id(), "error_class": ErrorClass.WORKER_LOST}
    about |= fence | {"retention_days": profile.retention_days}
    retried: dict[str, Any] = {"state": CommandState.RETRY_SCHEDULED, "event": "runtime:command:lease_expired"}
    if row.is_restart and not row.expired:
        # The database went away, so the loss says nothing about worker or command.
        return Closing(**about, **retried, error_message="the database restarted", released=1)
    deaths = row.lost + 1
    decision = verdict(
        profile,
        error=ErrorClass.WORKER_LOST,
        budget_used=row.attempt - row.spent - deaths - row.released - row.waited,
        lost=deaths,
        expired=row.expired,
        retry_after=None,
        waited=row.waited,
        jitter=0,
        elapsed=row.elapsed,
    )
    about |= {"error_message": f"its worker died; that was death {deaths}", "lost": 1}
    if isinstance(decision, RetryAt):
        return Closing(**about, **retried, delay=decision.delay)
    about |= _letter(decision, profile, is_replay=row.spent > 0)
    return Closing(**about, state=decision.state, event=EVENTS[decision.state])


def clean(message: str) -> str:
    """What PostgreSQL can store of a message."""
    return message[:LONGEST_MESSAGE].encode("utf-8", "replace").decode().replace("\x00", "")


def _letter(decision: GiveUp, profile: Profile, *, is_replay: bool) -> dict[str, Any]:
    if decision.state is not CommandState.DEAD_LETTERED:
        return {}
    fields: dict[str, Any] = {"letter_id": new_id(), "retention_days": LETTER_DAYS}
    fields |= {"halts": profile.halts_lane, "replays": profile.replays}
    if profile.alerts or is_replay:
        severity = AlertSeverity.CRITICAL if profile.alerts else AlertSeverity.WARNING
        fields |= {"alert_id": new_id(), "severity": severity}
    return fields


def _spent(spending: Spending | None) -> dict[str, Any]:
    return msgspec.structs.asdict(spending) if spending else {}


def _closing(claim: Claim, worker_id: UUID, state: CommandState, outcome: str, profile: Profile | None, **fields: Any) -> Closing:
    kept = {"retention_days": (profile or profile_of(claim.profile)).retention_days}
    return Closing(
        account_id=claim.account_id,
        id=claim.id,
        attempt=claim.attempt,
        worker_id=worker_id,
        state=state,
        outcome=outcome,
        event=EVENTS[state],
        event_id=new_id(),
        is_of_lane=claim.lane_id is not None,
        **(kept | fields),
    )
