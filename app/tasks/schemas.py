"""The wire shapes of cards."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View, in_calendar
from app.tasks.types import Description, Labels, Priority, Reason, TaskStatus, Title

Slugs = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=50)]
Emails = Annotated[list[Annotated[str, Meta(min_length=3, max_length=254)]], Meta(max_length=50)]
Version = Annotated[int, Meta(ge=1)]
Moment = Annotated[datetime, Meta(tz=True)]
AgentStatus = Literal["in_progress", "review", "done", "blocked"]
NewStatus = Literal["inbox", "assigned", "in_progress", "review", "done", "blocked", "archived"]


class NewTask(Body):
    title: Title
    description: Description = ""
    priority: Priority = 3
    labels: Labels = []
    due_at: Moment | None = None
    status: NewStatus | None = None
    blocked_reason: Reason | None = None
    assignee_slugs: Slugs = []
    assignee_emails: Emails = []

    def __post_init__(self) -> None:
        in_calendar(self.due_at)


class AgentNewTask(Body):
    title: Title
    description: Description = ""
    priority: Priority = 3
    labels: Labels = []
    due_at: Moment | None = None
    status: NewStatus | None = None
    blocked_reason: Reason | None = None
    assignee_slugs: Slugs = []

    def __post_init__(self) -> None:
        in_calendar(self.due_at)


class TaskEdit(Body):
    """Absent fields stay; `due_at: null` removes the date."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    due_at: Moment | None | UnsetType = UNSET
    expected_version: Version | None = None

    def __post_init__(self) -> None:
        in_calendar(self.due_at)


class StatusChange(Body):
    """`reason` is said to the assignees; entering `blocked` needs `blocked_reason`."""

    status: TaskStatus
    blocked_reason: Reason | None = None
    reason: Reason | None = None
    expected_status: TaskStatus | None = None
    expected_version: Version | None = None


class Reopening(Body):
    reason: Reason | None = None
    expected_version: Version | None = None


class AgentStatusChange(Body):
    task_id: UUID
    status: AgentStatus
    blocked_reason: Reason | None = None
    reason: Reason | None = None
    expected_status: TaskStatus | None = None
    expected_version: Version | None = None


class Assignment(Body):
    """Adds by default; `replace` makes these the only assignees."""

    assignee_slugs: Slugs = []
    assignee_emails: Emails = []
    replace: bool = False
    expected_version: Version | None = None


class AgentAssignment(Body):
    task_id: UUID
    assignee_slugs: Slugs
    replace: bool = False
    expected_version: Version | None = None


class AgentTask(Body):
    task_id: UUID
    message_limit: Annotated[int, Meta(ge=1)] = 10


class AssigneeView(View):
    kind: ActorKind
    id: UUID
    name: str
    slug: str | None = None
    email: str | None = None


class TaskView(View):
    id: UUID
    title: str
    description: str
    status: TaskStatus
    priority: int
    labels: list[str]
    due_at: datetime | None
    blocked_reason: str | None
    version: int
    assignees: list[AssigneeView]
    created_by_kind: ActorKind
    created_by_id: UUID | None
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None = None
    completed_at: datetime | None = None
    archived_at: datetime | None = None


class TaskPage(View):
    items: list[TaskView]
    next_cursor: str | None
    limit: int
