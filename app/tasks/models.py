"""The cards of the board, who is on them and who follows them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, check, enum_column, tenant_key
from app.kernel.types import ActorKind
from app.tasks.types import TaskStatus


class Task(SQLModel, table=True):
    """`version` grows with every change of the card and is the sequence of its event stream."""

    __tablename__ = "tasks"
    __table_args__ = (
        tenant_key("lease_agent_id", "agents", name="tasks_lease_agent_fkey"),
        check("priority BETWEEN 1 AND 5", name="tasks_priority_check"),
        check("(status = 'blocked') = (blocked_reason IS NOT NULL)", name="tasks_blocked_reason_check"),
        Index("tasks_newest_idx", "account_id", "id"),
        Index("tasks_board_idx", "account_id", "status", "id"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    title: str
    description: str = ""
    status: TaskStatus = Field(sa_column=enum_column(TaskStatus, name="tasks_status_check"))
    priority: int = Field(default=3, sa_type=SmallInteger)
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    due_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    blocked_reason: str | None = None
    version: int = 1
    is_coordination: bool = False
    created_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="tasks_created_by_kind_check"))
    created_by_id: UUID | None = None
    lease_agent_id: UUID | None = None
    lease_kind: str | None = None
    lease_fence: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    lease_until: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    last_message_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    completed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    archived_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class TaskAssignee(SQLModel, table=True):
    """One stint of an agent or a person on a task; it stays when it ends, because it bars from self-review."""

    __tablename__ = "task_assignees"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_assignees_task_fkey"),
        tenant_key("agent_id", "agents", name="task_assignees_agent_fkey"),
        tenant_key("person_id", "people", name="task_assignees_person_fkey"),
        check("(person_id IS NULL) <> (agent_id IS NULL)", name="task_assignees_principal_check"),
        Index(
            "task_assignees_current_agent_idx",
            "account_id",
            "task_id",
            "agent_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL AND agent_id IS NOT NULL"),
        ),
        Index(
            "task_assignees_current_person_idx",
            "account_id",
            "task_id",
            "person_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL AND person_id IS NOT NULL"),
        ),
        Index("task_assignees_task_idx", "account_id", "task_id"),
        Index("task_assignees_work_idx", "account_id", "agent_id", "task_id", postgresql_where=text("removed_at IS NULL")),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    agent_id: UUID | None = None
    person_id: UUID | None = None
    assigned_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="task_assignees_by_kind_check"))
    assigned_by_id: UUID | None = None
    assigned_at: datetime = Field(sa_column=at_column())
    acted_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    removed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class TaskSubscriber(SQLModel, table=True):
    """Who hears what is said on a task."""

    __tablename__ = "task_subscribers"
    __table_args__ = (tenant_key("task_id", "tasks", name="task_subscribers_task_fkey"),)

    account_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    principal_id: UUID = Field(primary_key=True)
    principal_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="task_subscribers_kind_check"))
    created_at: datetime = Field(sa_column=at_column())
