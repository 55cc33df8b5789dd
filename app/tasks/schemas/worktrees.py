"""The wire shape of where a task's work is done."""

from datetime import datetime

from app.kernel.wire import View
from app.tasks.types import WorktreeState


class CommitView(View):
    sha: str
    subject: str
    author: str
    at: str


class WorktreeView(View):
    """The task's branch and worktree, with what was seen of them at `observed_at`; `commits` are its newest.

    `gateway_path` is the path as the gateway and its agents see it, where that differs; `problem` is why it is not ready,
    `changes` counts files that differ from the branch, and `rescued` is the ref that holds what was not committed.
    """

    repository: str
    state: WorktreeState
    branch: str | None
    path: str | None
    gateway_path: str | None
    problem: str | None
    base: str | None
    head: str | None
    pushed_head: str | None
    rescued: str | None
    ahead: int | None
    behind: int | None
    unpushed: int | None
    files: int | None
    insertions: int | None
    deletions: int | None
    changes: int | None
    commits: list[CommitView]
    observed_at: datetime | None
