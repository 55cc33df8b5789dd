"""The wire shape of an agent's change of a card: what is written on it, who is on it and where it stands, at once."""

from uuid import UUID

from msgspec import UNSET, UnsetType

from app.tasks.schemas import AgentStatus, Handoff, Slugs, TaskEdit
from app.tasks.types import Reason, TaskStatus

EDITS = tuple(name for name in TaskEdit.__struct_fields__ if name not in ("expected_version", "fence"))
CHANGES = (*EDITS, "assignee_slugs", "status")


class AgentUpdate(TaskEdit, kw_only=True):
    """Absent fields stay; all that is named changes together or not at all, each under its own gate."""

    task_id: UUID
    assignee_slugs: Slugs | UnsetType = UNSET
    replace: bool = False
    status: AgentStatus | UnsetType = UNSET
    blocked_reason: Reason | None = None
    reason: Reason | None = None
    handoff: Handoff | None = None
    expected_status: TaskStatus | None = None

    def __post_init__(self) -> None:
        TaskEdit.__post_init__(self)
        if all(getattr(self, name) is UNSET for name in CHANGES):
            raise ValueError(f"name something to change: {', '.join(CHANGES)}")
