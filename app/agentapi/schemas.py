"""The wire shapes of `next` and `task-why`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from app.agentapi.types import WaitsFor
from app.agents.types import Interval
from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.tasks.schemas import LeaseView, NextAction, TaskView
from app.tasks.types import TaskStatus

WAIT_DEFAULT = 25.0
WAIT_MOST = 55.0


class Next(Body):
    """`wait` is how long to wait when there is nothing, in seconds; `ack` names notifications that were taken.

    `interval_seconds` is how often this agent will be seen; three times that long without a call, and it counts as offline.
    """

    wait: Annotated[float, Meta(ge=0)] = WAIT_DEFAULT
    ack: Annotated[list[UUID], Meta(max_length=100)] = []
    interval_seconds: Interval | None = None


class WorkReason(StrEnum):
    """Why this work is shown to this agent."""

    NOTIFIED = "notified"
    HELD = "held"
    IN_PROGRESS = "in_progress"
    ASSIGNED = "assigned"
    REVIEW_WANTED = "review_wanted"
    OPEN_POOL = "open_pool"
    UNASSIGNED = "unassigned"
    STUCK = "stuck"


class NoticeView(View):
    """`unread` is how many messages of the task's thread the caller was not shown yet, this one among them."""

    id: UUID
    type: str
    title: str
    body: str
    message_id: UUID | None
    created_at: datetime
    unread: int


class WorkView(View):
    """`ack` goes back with the next call; what is not acknowledged is shown again after a minute.

    `held` are the leases of the caller, who is shown nothing new while it may hold no more.
    `session_key` is that of the caller's own open session on the task, for the header `X-Session-Key`.
    """

    kind: str
    reason: WorkReason
    task: TaskView | None
    notification: NoticeView | None = None
    ack: UUID | None = None
    session_key: str | None = None
    held: list[LeaseView] = []


class AgentQuestion(Body):
    task_id: UUID


class WhoView(View):
    kind: ActorKind
    name: str
    slug: str | None = None
    email: str | None = None


class ObstacleView(View):
    """`who` can take it away, each of them alone; `next_verb` is how an agent among them does it."""

    waits_for: WaitsFor
    words: str
    who: list[WhoView]
    until: datetime | None
    details: dict[str, Any]
    next_verb: NextAction | None


class WhyView(ObstacleView):
    """What the task waits for first; `also` is what stands behind that."""

    task_id: UUID
    status: TaskStatus
    also: list[ObstacleView]
