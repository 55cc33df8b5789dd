"""The wire shapes of commands: what operators ask for, and what they see."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from app.events.schemas import EventView
from app.kernel.types import ActorKind, Role
from app.kernel.wire import Body, View
from app.runtime.types import CommandState, DeadLetterState

DAY = 86_400
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Seconds = Annotated[float, Meta(ge=1, le=30 * DAY)]


class ApprovalTerms(Body):
    """What must be approved before the command runs; `target_*` is what was looked at, and which version of it."""

    summary: Annotated[str, Meta(max_length=500)] = ""
    quorum: Annotated[int, Meta(ge=1, le=10)] = 1
    min_role: Role = Role.ADMIN
    expires_seconds: Seconds = DAY
    escalate_seconds: Seconds | None = None
    target_kind: Name | None = None
    target_id: UUID | None = None
    target_version: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


class NewCommand(Body):
    """`payload` is what the type declares; without a profile the type's own governs it."""

    command_type: Name
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    policy_profile: Name | None = None
    delay_seconds: Annotated[float, Meta(ge=0, le=366 * DAY)] = 0
    approval: ApprovalTerms | None = None


class Cancel(Body):
    reason: Reason


class Hold(Body):
    reason: Reason


class Resume(Body):
    reason: Reason | None = None


class Transition(Body):
    to: CommandState
    reason: Reason | None = None


class ActorView(View):
    """Who acted; the system has no id."""

    kind: ActorKind
    id: UUID | None


class CommandView(View):
    """`held_by` is `approval`, `operator` or `pause:<kind>:<name>`; `lease_*` are of the worker that runs it.

    `cost_usd` is the sum of its attempts.
    """

    id: UUID
    command_type: str
    status: CommandState
    payload: dict[str, Any]
    result: dict[str, Any] | None
    policy_profile: str
    queue: str
    idempotency_key: str
    attempt_count: int
    max_attempts: int
    run_at: datetime
    lease_owner: UUID | None
    lease_until: datetime | None
    last_error_class: str | None
    last_error_message: str | None
    held_by: str | None
    cancel_requested_at: datetime | None
    trigger_source: str
    actor: ActorView
    cause_id: UUID | None
    schedule_id: UUID | None
    request_id: str
    correlation_id: str
    cost_usd: Decimal
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    retention_until: datetime | None
    workflow_run_id: UUID | None = None
    node_run_id: UUID | None = None
    contract_version: Literal["v1"] = "v1"


class CommandPage(View):
    items: list[CommandView]
    next_cursor: str | None
    limit: int


class AttemptView(View):
    """`duration_ms` is null while it runs; `outcome` is `succeeded`, `failed`, `released`, `lost` or `canceled`."""

    id: str
    command_id: UUID
    attempt_number: int
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    outcome: str | None
    error_class: str | None
    error_message: str | None
    result_summary: str | None
    token_usage: dict[str, int] | None
    cost_usd: Decimal | None
    worker_id: UUID
    executor: str | None
    contract_version: Literal["v1"] = "v1"


class AttemptPage(View):
    """Oldest first; `next_cursor` is the number of the last attempt of the page."""

    items: list[AttemptView]
    next_cursor: str | None
    limit: int


class TracedLetter(View):
    id: UUID
    reason_class: str
    message: str
    attempts: int
    status: DeadLetterState
    eligible_for_replay: bool
    replay_count: int
    created_at: datetime
    replayed_at: datetime | None
    resolved_at: datetime | None


class TracedApproval(View):
    id: UUID
    status: str
    summary: str
    quorum: int
    min_role: str
    approvals: int
    denials: int
    reason: str | None
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None


class TracedChild(View):
    """A command that `parent_id` caused; `level` 1 are those of the traced command itself."""

    parent_id: UUID
    level: int
    command: CommandView
    attempts: list[AttemptView]


class TraceTotals(View):
    """Over the command and its children; `duration_ms` adds up the attempts that ended."""

    commands: int
    attempts: int
    duration_ms: int
    cost_usd: Decimal
    token_usage: dict[str, int]


class TraceView(View):
    """A command with all that came of it; `is_complete` is false where a bound cut something off."""

    command: CommandView
    attempts: list[AttemptView]
    events: list[EventView]
    children: list[TracedChild]
    dead_letter: TracedLetter | None
    approval: TracedApproval | None
    totals: TraceTotals
    is_complete: bool
