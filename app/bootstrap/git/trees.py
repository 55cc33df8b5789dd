"""Worktrees of a clone: one directory and one branch each, locked while somebody works there."""

from app.bootstrap.git.program import Git
from app.bootstrap.types.vcs import Listed, Made, Place, Tree


async def make(git: Git, place: Place, tree: Tree, *, reason: str) -> Made:
    """Make the worktree, or find it made, whatever a killed call left behind; it is locked with `reason`."""
    raise NotImplementedError


async def lock(git: Git, tree: Tree, *, reason: str | None) -> None:
    """Say in git who works there, or that nobody does."""
    raise NotImplementedError


async def remove(git: Git, tree: Tree, *, rescue: str) -> str | None:
    """Take the worktree away and keep its branch; uncommitted work becomes a commit under the ref `rescue`, which is answered."""
    raise NotImplementedError


async def listed(git: Git, place: Place) -> list[Listed]:
    """The worktrees that git knows of this clone, the clone itself left out."""
    raise NotImplementedError
