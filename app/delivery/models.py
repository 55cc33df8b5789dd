"""What was sent to a gateway for a notification, and what came back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, tenant_key


class Delivery(SQLModel, table=True):
    """`request` is frozen at the first send; `answer` is committed before anything is made of it."""

    __tablename__ = "deliveries"
    __table_args__ = (
        tenant_key("notification_id", "notifications", name="deliveries_notification_fkey"),
        tenant_key("session_id", "agent_sessions", name="deliveries_session_fkey"),
    )

    account_id: UUID = Field(primary_key=True)
    notification_id: UUID = Field(primary_key=True)
    session_id: UUID
    request: bytes = Field(sa_type=LargeBinary)
    template_version: str
    digest: str
    size: int
    sends: int = 0
    silences: int = 0
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    answer_status: int | None = Field(default=None, sa_type=SmallInteger)
    answer_type: str | None = None
    usage: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    rendered_at: datetime = Field(sa_column=at_column())
    answered_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
