"""The wire shape of an agent's change of a card: what is written on it, who is on it and where it stands, at once."""

from uuid import UUID

from msgspec import UNSET, UnsetType

from app.kernel.wire import Body, in_calendar
from app.tasks.schemas import (
    AgentStatus,
    Criteria,
    Dependencies,
    Fence,
    Handoff,
    Moment,
    Slugs,
    Version,
    distinct,
)
from app.tasks.types import Description, Labels, Priority, Reason, TaskStatus, Title

EDITS = ("title", "description", "priority", "labels", "due_at", "acceptance_criteria", "depends_on", "parent_id")
CHANGES = (*EDITS, "assignee_slugs", "status")


class AgentUpdate(Body):
    """Absent fields stay; all that is named changes together or not at all, each under its own gate."""

    task_id: UUID
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    due_at: Moment | None | UnsetType = UNSET
    acceptance_criteria: Criteria | UnsetType = UNSET
    depends_on: Dependencies | UnsetType = UNSET
    parent_id: UUID | None | UnsetType = UNSET
    assignee_slugs: Slugs | UnsetType = UNSET
    replace: bool = False
    status: AgentStatus | UnsetType = UNSET
    blocked_reason: Reason | None = None
    reason: Reason | None = None
    handoff: Handoff | None = None
    expected_status: TaskStatus | None = None
    expected_version: Version | None = None
    fence: Fence | None = None

    def __post_init__(self) -> None:
        in_calendar(self.due_at)
        distinct(self.acceptance_criteria)
        if all(getattr(self, name) is UNSET for name in CHANGES):
            raise ValueError(f"name something to change: {', '.join(CHANGES)}")
