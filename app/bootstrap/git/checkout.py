"""The clone's own checkout, which stays on the base branch and follows the remote as long as nobody works in it."""

from pathlib import Path

import msgspec

from app.bootstrap.git import locking
from app.bootstrap.git.store import HEADS, REMOTES, Desk, Store
from app.bootstrap.types.vcs import GitError

DIRTY = "the clone has uncommitted changes, so its own checkout stays as it is; worktrees do not depend on it"
DIVERGED = "the clone's base branch has commits that the remote lacks, so its own checkout stays as it is"
IN_THE_WAY = "files that git does not know stand in the way, so the clone's own checkout stays as it is"
LOST = "the clone's own checkout is on no branch and stays as it is"


class _Move(msgspec.Struct):
    """Written beside the clone before its files change, so that a killed call can be finished."""

    base: str
    to: str


def forward(store: Store, base: str) -> str | None:
    """Bring the checkout to the remote's base branch, or say why it stays."""
    for name in ("index.lock", "HEAD.lock", "shallow.lock"):
        (store.git_dir / name).unlink(missing_ok=True)
    _finish(store)
    refs = store.refs(f"{HEADS}{base}", f"{REMOTES}{base}", _branch(store) or HEADS)
    tip, own, branch = refs[f"{REMOTES}{base}"], refs.get(f"{HEADS}{base}"), _branch(store)
    if branch is None:
        return LOST
    at = refs.get(branch)
    if branch == f"{HEADS}{base}" and at == tip and store.read("index") is not None:
        return DIRTY if _is_dirty(store, at) else None
    if at and _is_dirty(store, at):
        return DIRTY
    with store.desk() as desk:
        if own and desk.run.attempt("merge-base", "--is-ancestor", own, tip).code:
            return DIVERGED
    try:
        _move(store, _Move(base, tip), at=at)
    except GitError:
        return IN_THE_WAY
    return None


def _branch(store: Store) -> str | None:
    head = (store.read("HEAD") or b"").decode(errors="replace").strip()
    return head.removeprefix("ref: ") if head.startswith(f"ref: {HEADS}") else None


def _is_dirty(store: Store, at: str) -> bool:
    with store.desk(head=at, work=store.clone, index="index") as desk:
        return bool(desk.run("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all").output)


def _move(store: Store, move: _Move, *, at: str | None) -> None:
    with store.desk(head=at, work=store.clone, index="index") as desk:
        # What was touched and is as it was must not count as changed.
        desk.run.attempt("update-index", "-q", "--refresh")
        steps = [at, move.to] if at and desk.index.exists() else [move.to]
        # A dry run first: once the note is written, files of the checkout count as the board's.
        desk.run("read-tree", "-m", "-u", "--dry-run", *steps)
        _note(store).write_bytes(msgspec.json.encode(move))
        desk.run("read-tree", "-m", "-u", *steps)
        _settle(store, desk, move)


def _finish(store: Store) -> None:
    note = _note(store)
    if not note.exists():
        return
    try:
        move = msgspec.json.decode(note.read_bytes(), type=_Move)
    except msgspec.DecodeError:
        # It was not whole, so nothing had been done yet.
        note.unlink()
        return
    with store.desk(head=move.to, work=store.clone, index="index") as desk:
        desk.run("read-tree", "--reset", "-u", move.to)
        _settle(store, desk, move)


def _settle(store: Store, desk: Desk, move: _Move) -> None:
    desk.put_index("index")
    name = f"{HEADS}{move.base}"
    before = store.refs(name)
    if before.get(name) != move.to:
        store.update({name: move.to}, before=before, why="fast-forward")
    if _branch(store) != name:
        store.run("symbolic-ref", "HEAD", name)
    _note(store).unlink(missing_ok=True)


def _note(store: Store) -> Path:
    return locking.beside(store.clone, "moving")
