"""The wire shapes of deliveries, as operators see and steer them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from app.delivery.types import AuthorKind, DeliveryFacts, DeliveryReason
from app.kernel.wire import Body, View
from app.notifications.types import NotificationState, NotificationType
from app.tasks.types import TaskStatus

Words = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
Most = Annotated[int, Meta(ge=1, le=1000)]


class PreflightCheck(View):
    name: str
    passed: bool
    detail: str


class PreflightView(View):
    """Whether the profile could run an agent now; `reachable` looks from the board, `denied` for what its settings deny."""

    profile: str
    passed: bool
    checks: list[PreflightCheck]


class DeliveryView(View):
    """One wake-up of an agent; `next_at` is when it is tried again, `last_error` why it was not delivered yet."""

    id: UUID
    type: NotificationType
    state: NotificationState
    reason: str | None
    agent_id: UUID
    agent_slug: str
    task_id: UUID | None
    task_title: str | None
    title: str
    attempts: int
    merged: int
    depth: int
    cause_id: UUID | None
    command_id: UUID | None
    command_status: str | None
    next_at: datetime | None
    last_error_class: str | None
    last_error: str | None
    calls_outside: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    created_at: datetime
    taken_at: datetime | None
    ended_at: datetime | None


class DeliveryPage(View):
    items: list[DeliveryView]
    next_cursor: str | None
    limit: int


class ToolCallView(View):
    index: int
    call_id: str
    name: str
    arguments: str
    status: int
    result: str
    called_at: datetime


class RoundView(View):
    """One call outside; `ask` counts how often everything was asked anew, `failed_over` the profiles tried before with why."""

    ask: int
    round: int
    profile: str
    adapter: str
    sends: int
    failed_over: list[dict[str, Any]]
    answer_status: int | None
    usage: dict[str, Any] | None
    cost_usd: Decimal | None
    seconds: float | None
    sent_at: datetime
    answered_at: datetime | None
    calls: list[ToolCallView] = []


class DeliveryAttemptView(View):
    attempt: int
    outcome: str | None
    error_class: str | None
    error: str | None
    started_at: datetime
    finished_at: datetime | None


class DeliveryDetail(DeliveryView):
    """Also every attempt and every call outside, and from which templates the prompt was rendered."""

    template_version: str | None
    template_source: str | None
    digest: str | None
    size: int | None
    outcome: str | None
    attempted: list[DeliveryAttemptView]
    rounds: list[RoundView]


class PromptView(View):
    """What was sent, frozen at the first send."""

    instructions: str
    input: str
    tools: list[dict[str, Any]]
    template_version: str
    template_source: str
    digest: str
    size: int
    rendered_at: datetime


class RawView(View):
    """One call outside as it went and came, cut to a bound, without secrets and session keys."""

    request: str
    answer: str | None
    answer_status: int | None
    answer_type: str | None
    is_cut: bool


class AddressableView(View):
    id: UUID
    slug: str
    name: str
    role: str
    is_reviewer: bool
    is_orchestrator: bool
    is_assigned: bool


class DecisionView(View):
    """What the policy table says, and the facts that it was asked with."""

    deliver: bool
    reason: DeliveryReason
    words: str
    facts: DeliveryFacts


class ContextView(View):
    """On what the delivery is decided now, with every agent that it may name."""

    id: UUID
    decision: DecisionView
    agents: list[AddressableView]
    tools: list[str]


class FactsBody(Body):
    """A made-up context; what is not said is off."""

    type: NotificationType
    recipient_is_orchestrator: bool = False
    recipient_is_assigned: bool = False
    recipient_is_reviewer: bool = False
    author_kind: AuthorKind | None = None
    author_is_orchestrator: bool = False
    author_is_recipient: bool = False
    author_can_mention: bool = False
    caused_by_type: NotificationType | None = None
    task_status: TaskStatus | None = None
    status_from: TaskStatus | None = None
    depth: Annotated[int, Meta(ge=0, le=1000)] = 0
    is_coordination: bool = False
    is_quarantined: bool = False


class Explain(Body):
    """Either a delivery that there is, as it stands now, or any context."""

    delivery_id: UUID | None = None
    context: FactsBody | None = None


class Retry(Body):
    pass


class SkipDelivery(Body):
    reason: Words


class ReplayDeliveries(Body):
    """Which of those that were given up: of one error class, one agent, one task; all of them if nothing is said."""

    error_class: Annotated[str, Meta(max_length=40)] | None = None
    agent_id: UUID | None = None
    task_id: UUID | None = None
    most: Most = 100


class ReplayedDeliveries(View):
    replayed: int
    remaining: int
