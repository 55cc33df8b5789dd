"""The wire shapes of `next`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body, View
from app.tasks.schemas import TaskView

WAIT_DEFAULT = 25.0
WAIT_MOST = 55.0


class Next(Body):
    """`wait` is how long to wait when there is nothing, in seconds; `ack` names notifications that were taken."""

    wait: Annotated[float, Meta(ge=0)] = WAIT_DEFAULT
    ack: Annotated[list[UUID], Meta(max_length=100)] = []


class WorkReason(StrEnum):
    """Why this work is shown to this agent."""

    NOTIFIED = "notified"
    IN_PROGRESS = "in_progress"
    ASSIGNED = "assigned"
    REVIEW_WANTED = "review_wanted"
    UNASSIGNED = "unassigned"
    STUCK = "stuck"


class NoticeView(View):
    id: UUID
    type: str
    title: str
    body: str
    message_id: UUID | None
    created_at: datetime


class WorkView(View):
    """`ack` goes back with the next call; what is not acknowledged is shown again after a minute."""

    kind: str
    reason: WorkReason
    task: TaskView | None
    notification: NoticeView | None = None
    ack: UUID | None = None
