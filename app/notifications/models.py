"""What people and agents are told, and how each telling ended."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, text
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, enum_column, tenant_key
from app.kernel.types import ActorKind
from app.notifications.types import NotificationState, NotificationType


class Notification(SQLModel, table=True):
    """`offered_at` is when a pull agent was last shown it by `next`; it is shown again until acknowledged.

    `taken_at` is when a worker or `next` first took it: nothing merges into it any more. `merged` later messages were merged in
    before; `cause_id` is the notification that led its author here.

    `command_id` was enqueued in the same statement, which is all that a foreign key would check; the notification outlives it.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="notifications_task_fkey"),
        tenant_key("message_id", "messages", name="notifications_message_fkey"),
        Index("notifications_recipient_idx", "account_id", "recipient_id", "state", "id"),
        Index(
            "notifications_people_idx",
            "account_id",
            "recipient_id",
            "id",
            postgresql_where=text("recipient_kind = 'person'"),
        ),
        Index("notifications_task_idx", "account_id", "task_id", "recipient_id", "id"),
        Index(
            "notifications_pending_idx",
            "account_id",
            "task_id",
            "recipient_id",
            unique=True,
            postgresql_where=text(
                "type = 'thread_update' AND recipient_kind = 'agent' AND state = 'queued' AND taken_at IS NULL"
            ),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    type: NotificationType = Field(sa_column=enum_column(NotificationType, name="notifications_type_check"))
    recipient_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="notifications_recipient_kind_check"))
    recipient_id: UUID
    task_id: UUID | None = None
    message_id: UUID | None = None
    event_id: UUID | None = None
    actor_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="notifications_actor_kind_check"))
    actor_id: UUID | None = None
    status_from: str | None = None
    caused_by_type: str | None = None
    title: str
    body: str = ""
    depth: int = Field(default=0, sa_type=SmallInteger)
    state: NotificationState = Field(sa_column=enum_column(NotificationState, name="notifications_state_check"))
    reason: str | None = None
    attempts: int = 0
    merged: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    cause_id: UUID | None = None
    command_id: UUID | None = None
    offered_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    taken_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    created_at: datetime = Field(sa_column=at_column())
    ended_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
