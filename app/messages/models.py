"""The thread of a task."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, enum_column, tenant_key
from app.kernel.types import ActorKind


class Message(SQLModel, table=True):
    """`source_notification_id` is the notification it answers, and there is at most one answer to each.

    `position` counts the thread from 1, given under the task's lock: ids of several processes are in no order.
    """

    __tablename__ = "messages"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="messages_task_fkey"),
        Index("messages_thread_idx", "account_id", "task_id", "id"),
        UniqueConstraint("account_id", "task_id", "position", name="messages_position_key"),
        Index(
            "messages_source_idx",
            "account_id",
            "source_notification_id",
            unique=True,
            postgresql_where=text("source_notification_id IS NOT NULL"),
        ),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    position: int
    author_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="messages_author_kind_check"))
    author_id: UUID | None = None
    author_name: str
    content: str
    mentions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    source_notification_id: UUID | None = None
    depth: int = Field(default=0, sa_type=SmallInteger)
    created_at: datetime = Field(sa_column=at_column())


class ThreadPosition(SQLModel, table=True):
    """How far an agent has been shown a thread: what lies behind `seen` is unread."""

    __tablename__ = "thread_positions"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="thread_positions_task_fkey"),
        tenant_key("agent_id", "agents", name="thread_positions_agent_fkey"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    account_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    agent_id: UUID = Field(primary_key=True)
    seen: int
    seen_at: datetime = Field(sa_column=at_column())
