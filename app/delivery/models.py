"""What was sent to a gateway for a notification, what came back, and what was done about it; templates of accounts."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, Numeric, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, enum_column, tenant_key
from app.kernel.types import ActorKind


class Delivery(SQLModel, table=True):
    """`prompt` is frozen at the first send, whatever adapter sends it: instructions, input and the tools that are offered.

    `seen` is how far it shows the thread; after each of `silences` answers that said nothing everything is asked anew, `asks`
    times in all; `outcome` is what the agent said in the end.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        tenant_key("notification_id", "notifications", name="deliveries_notification_fkey"),
        tenant_key("session_id", "agent_sessions", name="deliveries_session_fkey"),
    )

    account_id: UUID = Field(primary_key=True)
    notification_id: UUID = Field(primary_key=True)
    session_id: UUID
    prompt: bytes = Field(sa_type=LargeBinary)
    template_version: str
    template_source: str
    digest: str
    size: int
    seen: int = 0
    asks: int = Field(default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"})
    silences: int = 0
    outcome: str | None = None
    rendered_at: datetime = Field(sa_column=at_column())
    settled_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class DeliveryRound(SQLModel, table=True):
    """One call outside: the frozen request, and the answer, which is committed before anything is made of it.

    `ask` counts the askings before it, `round` the tool rounds; `failed_over` are the profiles that were tried before, each
    with why it failed.
    """

    __tablename__ = "delivery_rounds"
    __table_args__ = (tenant_key("notification_id", "notifications", name="delivery_rounds_notification_fkey"),)

    account_id: UUID = Field(primary_key=True)
    notification_id: UUID = Field(primary_key=True)
    ask: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    round: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    profile: str
    adapter: str
    request: bytes = Field(sa_type=LargeBinary)
    sends: int = 0
    failed_over: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False, server_default="[]"))
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    answer_status: int | None = Field(default=None, sa_type=SmallInteger)
    answer_type: str | None = None
    usage: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    cost_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 6))
    seconds: float | None = None
    sent_at: datetime = Field(sa_column=at_column())
    answered_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class DeliveryCall(SQLModel, table=True):
    """One tool call of one answer and its result, under which it is never done twice."""

    __tablename__ = "delivery_calls"
    __table_args__ = (tenant_key("notification_id", "notifications", name="delivery_calls_notification_fkey"),)

    account_id: UUID = Field(primary_key=True)
    notification_id: UUID = Field(primary_key=True)
    ask: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    round: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    index: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    call_id: str
    name: str
    arguments: str
    status: int = Field(sa_type=SmallInteger)
    result: str
    called_at: datetime = Field(sa_column=at_column())


class PromptTemplate(SQLModel, table=True):
    """One version of an account's own template; the newest is in force, one without `content` gives the fork's back."""

    __tablename__ = "prompt_templates"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    content: str | None = None
    created_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="prompt_templates_created_by_kind_check"))
    created_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())
