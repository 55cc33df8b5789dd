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
    """The budget that has no room for a run, and when it begins anew, if it does."""

    budget_id: UUID
    scope: Scope
    unit: Unit
    resets_at: datetime | None
