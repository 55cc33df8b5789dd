"""The wire shapes of references into version control."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.types import ActorKind
from app.kernel.wire import Body, Slug, View
from app.tasks.schemas import Fence, Version

# Python's `$` also stands before a last newline.
Repository = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\w.~+-]+(/[\w.~+-]+)*$(?!\n)")]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Address = Annotated[str, Meta(min_length=1, max_length=2000)]


class VcsRef(Body):
    """A change request elsewhere: `number` says which one of the repository, or `url` where it is; both may be given."""

    provider: Slug
    repository: Repository | None = None
    number: Number | None = None
    url: Address | None = None


class NewVcsRef(VcsRef):
    expected_version: Version | None = None


class AgentVcsRef(Body):
    task_id: UUID
    vcs_ref: VcsRef
    expected_version: Version | None = None
    fence: Fence | None = None


class VcsRefView(View):
    id: UUID
    task_id: UUID
    provider: str
    repository: str | None
    number: int | None
    url: str | None
    added_by_kind: ActorKind
    added_by_id: UUID | None
    created_at: datetime


class LinkView(VcsRefView):
    """`is_new` is false for a reference that the task had already; `task_version` is the task's version after the call."""

    is_new: bool
    task_version: int


class VcsRefPage(View):
    items: list[VcsRefView]
    next_cursor: str | None
    limit: int
