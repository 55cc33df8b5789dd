"""The wire shapes of a notification."""

from datetime import datetime
from uuid import UUID

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.notifications.types import NotificationState, NotificationType


class NotificationView(View):
    """`merged` later messages of the thread were merged into it before anybody took it."""

    id: UUID
    type: NotificationType
    recipient_kind: ActorKind
    recipient_id: UUID
    task_id: UUID | None
    message_id: UUID | None
    title: str
    state: NotificationState
    reason: str | None
    attempts: int
    merged: int
    depth: int
    command_id: UUID | None
    created_at: datetime
    ended_at: datetime | None


class NotificationPage(View):
    """`unread` is how many of the caller's own are not read."""

    items: list[NotificationView]
    next_cursor: str | None
    limit: int
    unread: int


class ReadOne(Body):
    pass


class ReadAll(Body):
    """`upto` is the newest one that was looked at; what came after it stays unread."""

    upto: UUID | None = None


class ReadView(View):
    """How many were marked as read, and how many of the caller's own are not."""

    read: int
    unread: int
