"""The wire shapes of looking over the board."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body
from app.tasks.types import TaskStatus


class AgentTaskList(Body):
    """Without `status` all tasks but archived ones; `cursor` is the `next_cursor` of the page before."""

    status: TaskStatus | None = None
    assignee_slug: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    limit: int | None = None
    cursor: UUID | None = None


class AgentTaskId(Body):
    task_id: UUID
