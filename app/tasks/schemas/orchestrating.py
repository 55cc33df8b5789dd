"""The wire shape of taking a task off the board."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body
from app.tasks.schemas import Version


class AgentDeletion(Body):
    """The task goes to the archive with its thread and documents; open sub-tasks go with it or are detached: `children`."""

    task_id: UUID
    reason: Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
    children: Literal["archive", "detach"] | None = None
    expected_version: Version | None = None
