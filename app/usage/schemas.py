"""The wire shapes of budgets and usage; money is written as a string with up to six decimals."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.kernel.errors import Invalid
from app.kernel.types import ActorKind
from app.kernel.wire import Body, Slug, View
from app.usage.types import BudgetState, Period, Scope, Unit

MOST_AMOUNT = Decimal(100_000_000_000)
DECIMALS = 6
Percent = Annotated[int, Meta(ge=1, le=100, description="at how much of it people are told; 80 without it")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Amount = Annotated[Decimal, Meta(description='such as "12.50"; up to six decimals for `usd`, a whole number for the others')]
Estimate = Annotated[
    Decimal, Meta(description="at least so much is reserved for a run; without it, what runs use is learned from them")
]


class NewBudget(Body):
    """Of the agent or the task that is named, else of the whole account."""

    unit: Unit
    amount: Amount
    period: Period
    agent_slug: Slug | None = None
    task_id: UUID | None = None
    estimate: Estimate | None = None
    soft_percent: Percent = 80

    def __post_init__(self) -> None:
        if self.agent_slug is not None and self.task_id is not None:
            raise Invalid.field("task_id", "a budget is of an agent or of a task, not of both")


class BudgetEdit(Body):
    """Absent fields stay; `estimate: null` leaves the estimate to what runs use."""

    amount: Amount | UnsetType = UNSET
    estimate: Estimate | None | UnsetType = UNSET
    soft_percent: Percent | UnsetType = UNSET
    expected_version: Version | None = None


class BudgetView(View):
    """`left` is what nobody spent or reserved of `amount` and `extra`, which people granted on top until the period ends.

    `estimate` is what the next run reserves, `null` while nobody knows what a run uses: then one runs at a time. `spent_assumed`
    is the part of `spent` whose cost nobody knew. `waiting` counts runs that have no room, up to 1,000.
    """

    id: UUID
    scope: Scope
    agent_slug: str | None
    task_id: UUID | None
    unit: Unit
    period: Period
    state: BudgetState
    amount: Decimal
    extra: Decimal
    spent: Decimal
    spent_assumed: Decimal
    reserved: Decimal
    left: Decimal
    percent: int
    soft_percent: int
    estimate: Decimal | None
    estimate_least: Decimal | None
    waiting: int
    period_at: datetime
    resets_at: datetime | None
    version: int
    created_by_kind: ActorKind
    created_by_id: UUID | None
    created_at: datetime
    updated_at: datetime


class BudgetPage(View):
    items: list[BudgetView]
    next_cursor: str | None
    limit: int


class By(StrEnum):
    """What usage is summed by."""

    AGENT = "agent"
    TASK = "task"
    DAY = "day"
    PROFILE = "profile"
    MODEL = "model"


class UsageSum(View):
    """`cost_usd` adds up what is known; `answers_without_cost` says of how many answers nobody knows it."""

    runs: int
    answers: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    answers_without_cost: int
    seconds: float


class UsageLine(UsageSum):
    """The sum of one agent, task, day in UTC, profile or model; `key` is empty for answers that have none."""

    key: str
    name: str | None


class UsagePage(View):
    """From `since` until before `until`; `total` is of the whole range, not of this page."""

    items: list[UsageLine]
    next_cursor: str | None
    limit: int
    by: By
    since: datetime
    until: datetime
    total: UsageSum


class UsageRecordView(View):
    """What one answer used; `run_id` is the notification that was delivered, `ask` and `round` say which answer of it."""

    id: UUID
    run_id: UUID
    ask: int
    round: int
    agent_id: UUID
    task_id: UUID | None
    command_id: UUID
    attempt: int
    profile: str
    model: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    seconds: float
    at: datetime


class UsageRecordPage(View):
    items: list[UsageRecordView]
    next_cursor: str | None
    limit: int
