"""Budgets, what is reserved of them, and what was used."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Index, Numeric, SmallInteger, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, check, enum_column, tenant_key
from app.kernel.types import ActorKind
from app.usage.types import Period, Scope, Unit

MONEY = Numeric(18, 6)


class Budget(SQLModel, table=True):
    """`reserved` is held for runs in flight, each taking `estimate`, 0 while nobody knows; a removed budget binds nobody.

    `least` is the smallest estimate that a person wants, `extra` what people granted on top until the period ends, `assumed` the
    part of `spent` whose cost nobody knew.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        check("amount >= 0 AND spent >= 0 AND reserved >= 0 AND estimate >= 0", name="budgets_amounts_check"),
        check("least >= 0 AND extra >= 0 AND assumed >= 0", name="budgets_parts_check"),
        check("soft_percent BETWEEN 1 AND 100", name="budgets_soft_check"),
        check("(scope = 'account') = (scope_id IS NULL)", name="budgets_scope_id_check"),
        Index(
            "budgets_binding_idx",
            "account_id",
            "scope",
            "scope_id",
            "unit",
            "period",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    scope: Scope = Field(sa_column=enum_column(Scope, name="budgets_scope_check"))
    scope_id: UUID | None = None
    unit: Unit = Field(sa_column=enum_column(Unit, name="budgets_unit_check"))
    period: Period = Field(sa_column=enum_column(Period, name="budgets_period_check"))
    amount: Decimal = Field(sa_type=MONEY)
    estimate: Decimal = Field(sa_type=MONEY)
    least: Decimal = Field(sa_type=MONEY, sa_column_kwargs={"server_default": "0"})
    extra: Decimal = Field(sa_type=MONEY, sa_column_kwargs={"server_default": "0"})
    assumed: Decimal = Field(sa_type=MONEY, sa_column_kwargs={"server_default": "0"})
    soft_percent: int = Field(default=80, sa_type=SmallInteger)
    spent: Decimal = Field(sa_type=MONEY, sa_column_kwargs={"server_default": "0"})
    reserved: Decimal = Field(sa_type=MONEY, sa_column_kwargs={"server_default": "0"})
    period_at: datetime = Field(sa_column=at_column())
    soft_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    hard_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    version: int = 1
    created_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="budgets_created_by_kind_check"))
    created_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    removed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class BudgetReservation(SQLModel, table=True):
    """What one run holds of one budget until it ends; `spent` was used of it by now.

    A run without room waits with nothing reserved, since `waits_since`; `command_id` is what tries it again.
    """

    __tablename__ = "budget_reservations"
    __table_args__ = (
        tenant_key("budget_id", "budgets", name="budget_reservations_budget_fkey"),
        Index("budget_reservations_open_idx", "account_id", "budget_id", postgresql_where=text("closed_at IS NULL")),
        Index("budget_reservations_closed_idx", "account_id", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 80}},
    )

    account_id: UUID = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)
    budget_id: UUID = Field(primary_key=True)
    command_id: UUID
    amount: Decimal = Field(sa_type=MONEY)
    spent: Decimal = Field(sa_type=MONEY, sa_column_kwargs={"server_default": "0"})
    waits_since: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    closed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class UsageRecord(SQLModel, table=True):
    """What one answer of one run used, written once with the answer."""

    __tablename__ = "usage_records"
    __table_args__ = (
        UniqueConstraint("account_id", "run_id", "ask", "round", name="usage_records_round_key"),
        Index("usage_records_agent_idx", "account_id", "agent_id", "at"),
        Index("usage_records_task_idx", "account_id", "task_id", "at", postgresql_where=text("task_id IS NOT NULL")),
        Index("usage_records_at_idx", "account_id", "at"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    run_id: UUID
    ask: int = Field(sa_type=SmallInteger)
    round: int = Field(sa_type=SmallInteger)
    agent_id: UUID
    task_id: UUID | None = None
    command_id: UUID
    attempt: int
    profile: str
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Field(default=None, sa_type=MONEY)
    seconds: float
    at: datetime = Field(sa_column=at_column())
