"""The words of worktrees as git and the board see them together."""

from pathlib import Path
from uuid import UUID

import msgspec

from app.bootstrap.types.vcs import CloneState, Place, Tree
from app.tasks.types import TaskStatus, WorktreeState


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """Where the work on one task is done, or would be; `place` is None while there is no clone, `id` while none was wanted.

    `agent` is who holds the task, or else who is on it.
    """

    id: UUID | None
    task_id: UUID
    title: str
    status: TaskStatus
    repository_id: UUID
    repository: str
    account_slug: str
    state: WorktreeState | None
    branch: str | None
    path: Path | None
    gateway_path: str | None
    base: str | None
    head: str | None
    problem: str | None
    pushed_head: str | None
    place: Place | None
    base_branch: str | None
    branch_prefix: str | None
    branch_pattern: str | None
    protected_branches: tuple[str, ...]
    branch_per_task: bool
    keep_worktrees: bool
    has_url: bool
    clone: CloneState | None
    advice: str | None
    holder: str | None
    agent: str | None
    is_live: bool

    @property
    def tree(self) -> Tree | None:
        """The worktree as git is asked for it, once it has a name and a clone."""
        if self.place is None or self.path is None or self.branch is None:
            return None
        return Tree(
            clone=self.place.directory,
            path=self.path,
            branch=self.branch,
            base_branch=self.base_branch or "",
            base=self.base,
            owner=self.account_slug,
        )
