"""Work in a worktree: what changed, commits, and pushing the branch."""

from collections.abc import Sequence

from app.bootstrap.git.program import Git
from app.bootstrap.types.vcs import Author, Commit, Diff, Observed, Place, Pushed, Tree

COMMITS_SHOWN = 20
CHANGES_SHOWN = 200
DIFF_MOST = 200_000


async def observe(git: Git, tree: Tree) -> Observed:
    """The branch against its base, and the worktree against the branch."""
    raise NotImplementedError


async def diff(git: Git, tree: Tree, *, paths: Sequence[str] = (), against_base: bool = False, most: int = DIFF_MOST) -> Diff:
    """What the worktree changes against its branch, or against the base; of these paths, or of all."""
    raise NotImplementedError


async def commit(git: Git, tree: Tree, *, message: str, author: Author, paths: Sequence[str] = ()) -> Commit | None:
    """Commit these paths, or all that changed; None when there is nothing to commit."""
    raise NotImplementedError


async def push(git: Git, place: Place, tree: Tree) -> Pushed:
    """Push the branch to the remote, never by force."""
    raise NotImplementedError
