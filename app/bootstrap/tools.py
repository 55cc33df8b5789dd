"""What agents may do with their branch of a repository."""

from app.bootstrap import branching
from app.bootstrap.vcs_schemas import (
    AgentGitCommit,
    AgentGitDiff,
    AgentGitPush,
    AgentGitStatus,
    GitCommitView,
    GitDiffView,
    GitPushView,
    GitStatusView,
)
from app.policies.types import Action
from app.policies.verbs import Errand, Toolset, Verb

VERBS: tuple[Verb, ...] = (
    Verb(
        name="git-status",
        summary="How a task's branch stands: its worktree, commits, uncommitted changes, ahead and behind the base branch.",
        action=Action.TASK_READ,
        body=AgentGitStatus,
        view=GitStatusView,
        act=branching.status,
        toolset=Toolset.VCS,
        reads=True,
        errand=Errand(branching.prepare_status, branching.run_status),
    ),
    Verb(
        name="git-diff",
        summary="What a task's worktree changes against its branch, or against the base branch.",
        action=Action.TASK_READ,
        body=AgentGitDiff,
        view=GitDiffView,
        act=branching.diff,
        toolset=Toolset.VCS,
        reads=True,
        errand=Errand(branching.prepare_diff, branching.run_diff),
    ),
    Verb(
        name="git-commit",
        summary="Commit what changed in a task's worktree to its branch.",
        action=Action.TASK_COMMIT,
        body=AgentGitCommit,
        view=GitCommitView,
        act=branching.commit,
        toolset=Toolset.VCS,
        errand=Errand(branching.prepare_commit, branching.run_commit),
    ),
    Verb(
        name="git-push",
        summary="Send the commits of a task's branch to the remote repository.",
        action=Action.TASK_COMMIT,
        body=AgentGitPush,
        view=GitPushView,
        act=branching.push,
        toolset=Toolset.VCS,
        errand=Errand(branching.prepare_push, branching.run_push),
    ),
)
