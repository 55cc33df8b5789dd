"""The wire shapes of repositories."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.bootstrap.types.vcs import CloneState, Trouble
from app.kernel.wire import Body, Slug, View

Text = Annotated[str, Meta(min_length=1, max_length=500)]
Prefix = Annotated[str, Meta(max_length=200)]
Depth = Annotated[int, Meta(ge=1, le=1_000_000)]
Globs = Annotated[list[Text], Meta(max_length=50)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class NewRepository(Body):
    """`base_branch` unset is the repository's default branch, `clone_depth` unset its whole history.

    `branch_prefix` and `branch_pattern` unset are the environment's. The first one of an account is its primary one.
    """

    name: Slug
    url: Text
    base_branch: Text | None = None
    branch_prefix: Prefix | None = None
    branch_pattern: Text | None = None
    protected_branches: Globs = []
    branch_per_task: bool = True
    keep_worktrees: bool = False
    clone_depth: Depth | None = None
    is_primary: bool = False


class RepositoryEdit(Body):
    """Absent fields stay; `is_primary` takes that from the one that was. A name stays, because the clone is found by it."""

    url: Text | UnsetType = UNSET
    base_branch: Text | None | UnsetType = UNSET
    branch_prefix: Prefix | None | UnsetType = UNSET
    branch_pattern: Text | None | UnsetType = UNSET
    protected_branches: Globs | UnsetType = UNSET
    branch_per_task: bool | UnsetType = UNSET
    keep_worktrees: bool | UnsetType = UNSET
    clone_depth: Depth | None | UnsetType = UNSET
    is_primary: bool | UnsetType = UNSET
    expected_version: Version | None = None


class CloneView(View):
    """How the clone stands: what is wrong (`trouble`), which key to look at (`setting`), what to do (`advice`).

    `phase` and `percent` are of a sync that is under way, `is_pending` says that one is or will be, `remark` what it left alone.
    """

    state: CloneState
    directory: str
    head: str | None
    base_branch: str | None
    phase: str | None
    percent: int | None
    trouble: Trouble | None
    setting: str | None
    advice: str | None
    remark: str | None
    is_pending: bool
    synced_at: datetime | None
    changed_at: datetime


class RepositoryView(View):
    """`is_from_environment` is the one whose address is REPO_URL, which it follows."""

    id: UUID
    name: str
    url: str | None
    base_branch: str | None
    branch_prefix: str | None
    branch_pattern: str | None
    protected_branches: list[str]
    branch_per_task: bool
    keep_worktrees: bool
    clone_depth: int | None
    is_primary: bool
    is_from_environment: bool
    clone: CloneView | None
    version: int
    created_at: datetime
    updated_at: datetime


class RepositoryPage(View):
    items: list[RepositoryView]
    next_cursor: str | None
    limit: int
