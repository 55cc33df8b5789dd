"""The wire shapes of search."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body, View
from app.tasks.schemas import AssigneeView
from app.tasks.types import TaskStatus

SEARCH_DEFAULT = 20
SEARCH_MOST = 100
Wanted = Annotated[str, Meta(min_length=1, max_length=400, pattern=r"\S")]


class AgentSearch(Body):
    """Words that must all occur; `"two words"` in this order, `or` between alternatives, `-word` excludes."""

    query: Wanted
    limit: int | None = None
    include_archived: bool = False
    include_coordination: bool = False


class FoundTask(View):
    """`score` orders the hits: all words in the title count 3, in the description 2, in the blocked reason 1, summed."""

    id: UUID
    title: str
    status: TaskStatus
    priority: int
    blocked_reason: str | None
    assignees: list[AssigneeView]
    updated_at: datetime
    score: float
    snippet: str


class FoundPage(View):
    """Best first; `is_complete` is false when so many tasks match that only the newest of them were ranked."""

    items: list[FoundTask]
    limit: int
    is_complete: bool
