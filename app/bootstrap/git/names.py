"""Names of branches and places of worktrees, checked before anything is written."""

import os
import stat
from pathlib import Path

from app.bootstrap.git.program import Git
from app.bootstrap.rules.refs import branch_problem
from app.bootstrap.types.vcs import GitError, Tree, Trouble
from app.kernel.confined import Escapes, parts

# Room for what git and the board add to a step of a name.
STEP_MOST = 200


def check_branch(name: str) -> None:
    problem = branch_problem(name)
    if problem is None and any(len(step.encode()) > STEP_MOST for step in name.split("/")):
        problem = f"must have steps of at most {STEP_MOST} bytes"
    if problem:
        raise GitError(Trouble.ESCAPES, f"the name of a branch {problem}")


def check_tree(git: Git, tree: Tree) -> None:
    """GitError unless the branch has a plain name and no link is on the way to the worktree.

    No base branch is the default branch of the remote.
    """
    check_branch(tree.branch)
    if tree.base_branch:
        check_branch(tree.base_branch)
    path = tree.path
    root = git.worktrees if path.is_relative_to(git.worktrees) else path.parent
    try:
        steps = parts(str(path.relative_to(root)))
        clear = path.is_absolute() and os.path.normpath(path) == str(path) and len(path.name.encode()) <= STEP_MOST
    except (Escapes, ValueError):
        clear, steps = False, ()
    if not clear or not steps or path.is_relative_to(tree.clone) or tree.clone.is_relative_to(path):
        raise _refused("its path must be plain and outside of the clone")
    for depth in range(len(steps)):
        _refuse_link(root.joinpath(*steps[: depth + 1]))


def _refuse_link(path: Path) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(f"its path cannot be read ({error.strerror})") from None
    if not stat.S_ISDIR(mode):
        raise _refused("a link or a file stands where it is to be")


def _refused(why: str) -> GitError:
    return GitError(Trouble.ESCAPES, f"the worktree is left alone: {why}")
