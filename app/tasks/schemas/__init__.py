"""The wire shapes of cards."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View, in_calendar
from app.tasks.schemas.reservations import ReservationView, Wishes
from app.tasks.schemas.worktrees import WorktreeView
from app.tasks.types import Description, Labels, LeaseKind, Priority, QuarantineReason, Reason, TaskStatus, Title

Slugs = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=50)]
Emails = Annotated[list[Annotated[str, Meta(min_length=3, max_length=254)]], Meta(max_length=50)]
Version = Annotated[int, Meta(ge=1)]
Moment = Annotated[datetime, Meta(tz=True)]
Fence = Annotated[int, Meta(ge=1)]
Line = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Lines = Annotated[list[Line], Meta(max_length=20)]
CRITERIA_MOST = 30
Criteria = Annotated[list[Line], Meta(max_length=CRITERIA_MOST)]
Dependencies = Annotated[list[UUID], Meta(max_length=50)]
RepositoryName = Annotated[str, Meta(min_length=1, max_length=200)]
AgentStatus = Literal["in_progress", "review", "done", "blocked"]
NewStatus = Literal["inbox", "assigned", "in_progress", "review", "done", "blocked", "archived"]


def distinct(criteria: list[str] | UnsetType) -> None:
    """Refuse a criterion that is there twice: its verdicts could not be told apart."""
    texts = [] if criteria is UNSET else [text.strip() for text in criteria]
    if len(set(texts)) < len(texts):
        raise ValueError("Object says one criterion twice in field `acceptance_criteria`")


class Handoff(Body):
    """What the next holder needs to know: bounded, so that it always fits into a prompt."""

    summary: Annotated[str, Meta(max_length=4000)] = ""
    decisions: Lines = []
    open_questions: Lines = []
    artifacts: Lines = []
    tried: Lines = []


class _Birth(Body):
    title: Title
    description: Description = ""
    priority: Priority = 3
    labels: Labels = []
    due_at: Moment | None = None
    status: NewStatus | None = None
    blocked_reason: Reason | None = None
    assignee_slugs: Slugs = []
    acceptance_criteria: Criteria = []
    depends_on: Dependencies = []
    parent_id: UUID | None = None
    repository: RepositoryName | None = None
    reserve: Wishes = []

    def __post_init__(self) -> None:
        in_calendar(self.due_at)
        distinct(self.acceptance_criteria)


class NewTask(_Birth):
    assignee_emails: Emails = []


class AgentNewTask(_Birth):
    """`not_duplicate_because` creates a task all the same that was refused as a possible duplicate."""

    not_duplicate_because: Line | None = None


class TaskEdit(Body):
    """Absent fields stay; `due_at: null` removes the date; of `acceptance_criteria` the same text keeps its verdict.

    `repository: null` is the primary one, whichever that is; `reserve` makes these the only files that the task wants.
    """

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    due_at: Moment | None | UnsetType = UNSET
    acceptance_criteria: Criteria | UnsetType = UNSET
    depends_on: Dependencies | UnsetType = UNSET
    parent_id: UUID | None | UnsetType = UNSET
    repository: RepositoryName | None | UnsetType = UNSET
    reserve: Wishes | UnsetType = UNSET
    expected_version: Version | None = None
    fence: Fence | None = None

    def __post_init__(self) -> None:
        in_calendar(self.due_at)
        distinct(self.acceptance_criteria)


class StatusChange(Body):
    """`reason` is said to the assignees; entering `blocked` needs `blocked_reason`; archiving open sub-tasks, `children`."""

    status: TaskStatus
    children: Literal["archive", "detach"] | None = None
    blocked_reason: Reason | None = None
    reason: Reason | None = None
    expected_status: TaskStatus | None = None
    expected_version: Version | None = None
    fence: Fence | None = None
    handoff: Handoff | None = None


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
    fence: Fence | None = None
    handoff: Handoff | None = None


class Assignment(Body):
    """Adds by default; `replace` makes these the only assignees. They get `reason` and `handoff`."""

    assignee_slugs: Slugs = []
    assignee_emails: Emails = []
    replace: bool = False
    expected_version: Version | None = None
    reason: Reason | None = None
    handoff: Handoff | None = None


class AgentAssignment(Body):
    task_id: UUID
    assignee_slugs: Slugs
    replace: bool = False
    expected_version: Version | None = None
    reason: Reason | None = None
    handoff: Handoff | None = None


class AgentTask(Body):
    task_id: UUID
    message_limit: Annotated[int, Meta(ge=1)] = 10


class AssigneeView(View):
    kind: ActorKind
    id: UUID
    name: str
    slug: str | None = None
    email: str | None = None


class LeaseView(View):
    """The right to work on a task until `until`; `fence` goes with every write."""

    task_id: UUID
    kind: LeaseKind
    fence: int
    until: datetime


class NextAction(View):
    """What this caller may do now: a verb, the arguments that settle it, and the fields that it still needs."""

    verb: str
    arguments: dict[str, Any] = {}
    needs: list[str] = []


class TaskView(View):
    """`lease` is for the holder, in the answers that give or renew it; the others see who holds it until when.

    While it is quarantined only people wake agents about it. `repository` is null for the account's primary one; pages of tasks
    leave out `reservations`, the files that the task wants or has, and `worktree`, where its work is done.
    """

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
    parent_id: UUID | None = None
    lease_agent_id: UUID | None = None
    lease_kind: LeaseKind | None = None
    lease_until: datetime | None = None
    last_message_at: datetime | None = None
    completed_at: datetime | None = None
    archived_at: datetime | None = None
    quarantined_at: datetime | None = None
    quarantine_reason: QuarantineReason | None = None
    repository: str | None = None
    reservations: list[ReservationView] | UnsetType = UNSET
    lease: LeaseView | UnsetType = UNSET
    next_actions: list[NextAction] | UnsetType = UNSET
    worktree: WorktreeView | UnsetType = UNSET


class TaskPage(View):
    items: list[TaskView]
    next_cursor: str | None
    limit: int
