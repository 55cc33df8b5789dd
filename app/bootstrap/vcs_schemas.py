"""The wire shapes of working with the branch of a task."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body, View
from app.tasks.schemas import Fence
from app.tasks.schemas.worktrees import CommitView, WorktreeView

PathName = Annotated[str, Meta(min_length=1, max_length=1000)]
Paths = Annotated[list[PathName], Meta(max_length=200)]
Message = Annotated[str, Meta(min_length=1, max_length=10_000, pattern=r"\S")]


class AgentGitStatus(Body):
    task_id: UUID


class AgentGitDiff(Body):
    """Without `paths` of all that changed; `against_base` also shows what is committed on the branch."""

    task_id: UUID
    paths: Paths = []
    against_base: bool = False


class AgentGitCommit(Body):
    """Without `paths` everything that changed is committed; `fence` is that of your lease."""

    task_id: UUID
    message: Message
    paths: Paths = []
    fence: Fence | None = None


class AgentGitPush(Body):
    task_id: UUID
    fence: Fence | None = None


class ChangeView(View):
    """`letter` is git's: `A` added, `M` modified, `D` deleted, `R` renamed from `before`, `U` in conflict, `?` unknown to git."""

    letter: str
    path: str
    before: str | None = None


class GitStatusView(View):
    """Counts are against the base branch; `unpushed` commits are on the branch and not at the remote; `is_cut`: there is more."""

    task_id: UUID
    repository: str
    branch: str
    path: str
    gateway_path: str | None
    base_branch: str | None
    base: str
    head: str
    ahead: int
    behind: int
    unpushed: int
    files: int
    insertions: int
    deletions: int
    commits: list[CommitView]
    changes: list[ChangeView]
    is_cut: bool


class GitDiffView(View):
    """`is_cut`: the text is longer than is shown; ask for single `paths`."""

    task_id: UUID
    branch: str
    head: str
    text: str
    files: int
    is_cut: bool


class GitCommitView(View):
    """The commit, and how the branch stands to its base after it; `changes` counts files that are still not committed."""

    task_id: UUID
    sha: str
    subject: str
    branch: str
    ahead: int
    behind: int
    unpushed: int
    files: int
    insertions: int
    deletions: int
    changes: int
    task_version: int


class GitPushView(View):
    """`is_new`: the remote did not have this commit on the branch before."""

    task_id: UUID
    branch: str
    head: str
    is_new: bool
    ahead: int
    behind: int
    task_version: int


class TaskWorktreeView(View):
    """`remark` is why there is none, or why it could not be looked at just now."""

    task_id: UUID
    worktree: WorktreeView | None
    remark: str | None = None
