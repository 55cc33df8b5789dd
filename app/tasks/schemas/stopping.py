"""The wire shapes of an emergency stop."""

from uuid import UUID

from app.kernel.wire import Body, View
from app.tasks.types import Reason, TaskStatus


class Stop(Body):
    reason: Reason | None = None


class AgentStop(Body):
    task_id: UUID
    reason: Reason | None = None


class StoppedView(View):
    """What was ended: notifications of agents, dropped, and commands, canceled or asked to stop where they run.

    `already_blocked` is true of a task that was blocked before; its reason stays as it was.
    """

    task_id: UUID
    status: TaskStatus
    blocked_reason: str | None
    version: int
    already_blocked: bool
    dropped_notifications: list[UUID]
    canceled_commands: list[UUID]
