"""The wire shapes of leases, and of what one holder leaves to the next."""

from uuid import UUID

from app.agents.types import Interval
from app.kernel.wire import Body, View
from app.tasks.schemas import Fence, Handoff, LeaseView, TaskView
from app.tasks.schemas.handoffs import HandoffView
from app.tasks.schemas.reservations import Wishes
from app.tasks.types import Reason


class AgentClaim(Body):
    """Without `task_id` the best task that this agent may start; `reserve` adds to the files that the task wants."""

    task_id: UUID | None = None
    reserve: Wishes = []

    def __post_init__(self) -> None:
        if self.reserve and self.task_id is None:
            raise ValueError("Object names files in field `reserve` without the `task_id` that they are for")


class AgentHeartbeat(Body):
    """`handoff` are notes for whoever comes next, kept in case this holder does not come back.

    `interval_seconds` is how often this agent will be seen; three times that long without a call, and it counts as offline.
    """

    task_id: UUID
    fence: Fence | None = None
    handoff: Handoff | None = None
    interval_seconds: Interval | None = None


class AgentRelease(Body):
    task_id: UUID
    fence: Fence | None = None
    reason: Reason | None = None
    handoff: Handoff | None = None


class ClaimView(View):
    """All is empty when there is nothing to claim; `is_new` is false for a lease that was held already.

    `handoff` is the newest that was left with the task; `task-load` shows the ones before it.
    """

    task: TaskView | None = None
    lease: LeaseView | None = None
    is_new: bool = False
    handoff: HandoffView | None = None
