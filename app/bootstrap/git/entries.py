"""What a clone keeps about each worktree, in `.git/worktrees`."""

import os
import shutil
from pathlib import Path

import msgspec

from app.bootstrap.git.store import HEADS, SHA, Store, escapes
from app.bootstrap.types.vcs import GitError, Tree, Trouble
from app.kernel.confined import Confined, Escapes


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One worktree; `place` is where the clone keeps it, below `.git`."""

    place: str
    path: Path
    branch: str | None
    head: str | None
    locked: str | None

    def is_whole(self, store: Store) -> bool:
        """Whether the worktree leads here, and all its files have been put there."""
        try:
            pointer = Confined(self.path).read(".git")
        except (OSError, Escapes):
            return False
        told = (pointer or b"").decode(errors="replace").strip()
        return (
            told in {self.pointer(store), f"gitdir: {store.git_dir / self.place}"}
            and store.read(f"{self.place}/index") is not None
        )

    def pointer(self, store: Store) -> str:
        """What its `.git` file says; a relative path holds wherever both directories are mounted."""
        return f"gitdir: {os.path.relpath(store.git_dir / self.place, self.path)}"

    def lock(self, store: Store, reason: str) -> None:
        store.write(f"{self.place}/locked", f"{reason}\n".encode())

    def forget(self, store: Store) -> None:
        shutil.rmtree(store.git_dir / self.place)


def all_of(store: Store) -> list[Entry]:
    root = store.git_dir / "worktrees"
    if root.is_symlink():
        raise escapes(".git/worktrees is a link")
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.is_symlink()) if root.is_dir() else []
    return [entry for name in names if (entry := _read(store, f"worktrees/{name}"))]


def find(store: Store, tree: Tree) -> Entry:
    """The worktree as it was made, or GitError."""
    entry = next((entry for entry in all_of(store) if entry.path == tree.path), None)
    if entry is None or not tree.path.is_dir():
        raise GitError(Trouble.NOT_FOUND, "there is no worktree there: it is made again when the task is claimed")
    if not entry.is_whole(store):
        raise escapes("the worktree's .git file does not lead to its clone any more")
    return entry


def _read(store: Store, place: str) -> Entry | None:
    pointer, head = _text(store, f"{place}/gitdir"), _text(store, f"{place}/HEAD") or ""
    if not pointer:
        # A killed git left it before it said whose it is, or one is at this: who holds the lock knows that none is.
        if store.holding:
            shutil.rmtree(store.git_dir / place)
        return None
    branch = head.removeprefix(f"ref: {HEADS}") if head.startswith(f"ref: {HEADS}") else None
    return Entry(
        place=place,
        path=(store.git_dir / place / pointer).parent,
        branch=branch,
        head=head if SHA.fullmatch(head) else None,
        locked=_text(store, f"{place}/locked"),
    )


def _text(store: Store, name: str) -> str | None:
    found = store.read(name)
    return None if found is None else found.decode(errors="replace").strip()
