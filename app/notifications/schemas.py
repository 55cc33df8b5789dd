"""The wire shape of a notification."""

from datetime import datetime
from uuid import UUID

from app.kernel.types import ActorKind
from app.kernel.wire import View
from app.notifications.types import NotificationState, NotificationType


class NotificationView(View):
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
    depth: int
    command_id: UUID | None
    created_at: datetime
    ended_at: datetime | None


class NotificationPage(View):
    items: list[NotificationView]
    next_cursor: str | None
    limit: int
