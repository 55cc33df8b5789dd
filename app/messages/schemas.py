"""The wire shapes of a thread."""

from datetime import datetime
from uuid import UUID

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.messages.types import Content
from app.tasks.schemas import TaskView


class NewMessage(Body):
    content: Content


class AgentMessage(Body):
    """`notification_id` is the notification that this answers; each is answered once."""

    task_id: UUID
    content: Content
    notification_id: UUID | None = None


class MessageView(View):
    id: UUID
    task_id: UUID
    author_kind: ActorKind
    author_id: UUID | None
    author_name: str
    content: str
    mentions: list[str]
    created_at: datetime


class LoadedTask(View):
    """A card with the newest part of its thread, oldest first."""

    task: TaskView
    thread: list[MessageView]
    omitted: int


class MessagePage(View):
    items: list[MessageView]
    next_cursor: str | None
    limit: int
