"""The wire shapes of dead letters."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body, View
from app.runtime.types import DeadLetterState, ErrorClass

MOST_AT_ONCE = 1_000
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
TypeName = Annotated[str, Meta(min_length=1, max_length=100)]


class Replay(Body):
    """Nothing but the header `Idempotency-Key` is asked for."""


class ReplayMany(Body):
    """Open letters of one cause, of one type, or of both; what only a mended cause can help is left out unless it is named."""

    reason_class: ErrorClass | None = None
    command_type: TypeName | None = None
    most: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE


class Discard(Body):
    reason: Reason


class DeadLetterView(View):
    """A command that was given up; `eligible_for_replay` says whether replaying it could help at all."""

    id: UUID
    command_id: UUID
    command_type: str
    policy_profile: str
    reason_class: str
    message: str
    attempts: int
    eligible_for_replay: bool
    replay_count: int
    status: DeadLetterState
    created_at: datetime
    retention_until: datetime | None
    replayed_at: datetime | None
    replayed_by_id: UUID | None
    replay_request_id: str | None
    resolved_at: datetime | None
    discarded_by_id: UUID | None
    discard_reason: str | None
    lane_id: UUID | None
    contract_version: Literal["v1"] = "v1"


class DeadLetterPage(View):
    items: list[DeadLetterView]
    next_cursor: str | None
    limit: int


class FailedAttemptView(View):
    attempt: int
    worker_id: UUID
    started_at: datetime
    completed_at: datetime | None
    outcome: str | None
    error_class: str | None
    error_message: str | None


class DeadLetterDetail(DeadLetterView, kw_only=True):
    """A letter with what its command carries, and the attempts that failed, newest first."""

    command_status: str
    lane_seq: int | None
    payload: dict[str, Any]
    errors: list[FailedAttemptView]


class ReplayedView(View):
    """How many letters were replayed, and how many another call of the same kind would take now."""

    replayed: int
    remaining: int


class CauseView(View):
    """The letters of one cause; `share` is their part of all, `attempts` what was spent on them.

    `replay_success_rate` is resolved over replayed letters, without those whose replay is still under way.
    """

    reason_class: str
    command_type: str
    count: int
    share: float
    open: int
    replaying: int
    resolved: int
    discarded: int
    replayed: int
    replays: int
    replay_success_rate: float | None
    attempts: int
    oldest: datetime
    newest: datetime


class CausesView(View):
    """Letters written in the time that was asked about, the most frequent cause first."""

    items: list[CauseView]
    total: int
    since: datetime | None
    until: datetime | None
