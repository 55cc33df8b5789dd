"""The wire shapes of what waits for what."""

from uuid import UUID

from app.kernel.wire import View
from app.tasks.types import TaskStatus


class LinkedView(View):
    """`is_done` is also true of a task that was archived after it was done."""

    id: UUID
    title: str
    status: TaskStatus
    is_done: bool


class GraphView(View):
    """The task waits for `dependencies` to start and for `children` to be done; `dependents` wait for it."""

    task_id: UUID
    parent: LinkedView | None
    dependencies: list[LinkedView]
    dependents: list[LinkedView]
    children: list[LinkedView]
