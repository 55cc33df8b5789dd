"""Putting a clone aside with its worktrees, which go on belonging to it."""

from contextlib import suppress
from pathlib import Path

from app.bootstrap.git.program import Git
from app.kernel.confined import Confined, Escapes


def put(git: Git, directory: Path) -> Path:
    """Rename the clone to a name that is free, and answer it."""
    place = free(directory)
    directory.rename(place)
    _repair(git, place)
    return place


def free(path: Path) -> Path:
    """`<name>.before-<number>`, the first that nothing has."""
    number = 1
    while (found := path.with_name(f"{path.name}.before-{number}")).exists() or found.is_symlink():
        number += 1
    return found


def mend(git: Git, directory: Path) -> None:
    """Finish what a killed call may have left open: worktrees that do not know yet where their clone is."""
    for place in directory.parent.glob(f"{directory.name}.before-*"):
        _repair(git, place)


def _repair(git: Git, place: Path) -> None:
    worktrees = Confined(git.worktrees)
    for entry in sorted((place / ".git" / "worktrees").glob("*")):
        with suppress(OSError, ValueError, Escapes):
            path = Path((Confined(place / ".git").read(f"worktrees/{entry.name}/gitdir") or b"").decode().strip())
            name = str(path.relative_to(git.worktrees))
            if path.name == ".git" and path.parent.is_dir():
                worktrees.write(name, f"gitdir: {entry}\n".encode())
