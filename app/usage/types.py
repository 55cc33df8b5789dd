"""The words of usage: what a run costs, and what it may cost."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec


class Scope(StrEnum):
    ACCOUNT = "account"
    AGENT = "agent"
    TASK = "task"


class Unit(StrEnum):
    USD = "usd"
    TOKENS = "tokens"
    RUNS = "runs"


class Period(StrEnum):
    """When a budget begins anew; `none` is once and for all."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an agent: `id` is its notification, which is reserved for once, however often it is tried."""

    id: UUID
    agent_id: UUID
    task_id: UUID | None
    command_id: UUID
    attempt: int


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer used; the cost is None where nobody knows it."""

    ask: int
    round: int
    profile: str
    seconds: float
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    model: str | None = None


class Exhausted(msgspec.Struct, frozen=True, kw_only=True):
    """The budget that has no room for a run, when it begins anew, if it does, and in how many seconds to look again.

    A crowded one has room as soon as runs in flight end; any other asks people, who were told once.
    """

    budget_id: UUID
    scope: Scope
    unit: Unit
    resets_at: datetime | None
    retry_after: float = 60.0
    is_crowded: bool = False


class BudgetState(StrEnum):
    """`soft`: past its soft limit; `exhausted`: no further run fits into it."""

    OPEN = "open"
    SOFT = "soft"
    EXHAUSTED = "exhausted"


class Limit(StrEnum):
    SOFT = "soft"
    HARD = "hard"


class BudgetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as it stands: `extra` was granted on top for this period, `assumed` is what was spent by assumption.

    `estimate` is what a run is expected to use, 0 while nobody knows; `least` is the smallest that a person lets it become.
    """

    id: UUID
    scope: Scope
    scope_id: UUID | None = None
    unit: Unit
    period: Period
    amount: Decimal
    period_at: datetime
    soft_percent: int = 80
    estimate: Decimal = Decimal()
    least: Decimal = Decimal()
    extra: Decimal = Decimal()
    spent: Decimal = Decimal()
    assumed: Decimal = Decimal()
    reserved: Decimal = Decimal()
    soft_at: datetime | None = None
    hard_at: datetime | None = None

    @property
    def cap(self) -> Decimal:
        return self.amount + self.extra


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What one run holds of one budget, and what it has used; a run that waits holds nothing."""

    amount: Decimal = Decimal()
    spent: Decimal = Decimal()
    waits_since: datetime | None = None
    closed_at: datetime | None = None

    @property
    def outstanding(self) -> Decimal:
        """What is still reserved for it."""
        return Decimal() if self.closed_at is not None else max(self.amount - self.spent, Decimal())


class BudgetReached(msgspec.Struct, frozen=True, kw_only=True):
    """Told once a period when a budget comes to its soft or its hard limit; people who may manage the account want to know."""

    budget_id: UUID
    limit: Limit
    title: str
    body: str
    task_id: UUID | None
    event_id: UUID
