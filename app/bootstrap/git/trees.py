"""Worktrees of a clone: one directory and one branch each, locked while somebody works there."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from app.bootstrap.git import aside, entries, locking, rescuing, words
from app.bootstrap.git.entries import Entry
from app.bootstrap.git.names import check_branch, check_tree
from app.bootstrap.git.program import Git
from app.bootstrap.git.running import in_thread
from app.bootstrap.git.store import HEADS, REMOTES, Store, escapes
from app.bootstrap.types.vcs import GitError, Listed, Made, Place, Tree, Trouble
from app.kernel.confined import Confined

REASON_MOST = 200
# Beside the other facts of a worktree until all its files are there; what a killed call began is nobody's work.
MAKING = "making"
# Below it, for each branch that was made here, whose it is: several accounts may share the clone of one repository.
OWNERS = "refs/callboard/owners/"


async def make(git: Git, place: Place, tree: Tree, *, reason: str) -> Made:
    """Make the worktree, or find it made, whatever a killed call left behind; it is locked with `reason`."""
    check_tree(git, tree)
    try:
        async with locking.locked(tree.clone, locking.CLONE, seconds=git.limits.waiting) as held:
            return await in_thread(lambda: _make(Store(git, tree.clone, holding=(held,)), tree, reason))
    except GitError as error:
        raise words.placed(error, place) from None
    except OSError as error:
        raise words.error(words.trouble_of(error), place) from None


async def lock(git: Git, tree: Tree, *, reason: str | None) -> None:
    """Say in git who works there, or that nobody does."""
    check_tree(git, tree)
    async with locking.locked(tree.clone, locking.CLONE, seconds=git.limits.waiting) as held:
        await in_thread(_lock, git, tree, reason, held)


async def remove(git: Git, tree: Tree, *, rescue: str) -> str | None:
    """Take the worktree away and keep its branch; uncommitted work becomes a commit under the ref `rescue`, which is answered."""
    check_tree(git, tree)
    check_branch(rescue.removeprefix("refs/"))
    async with locking.locked(tree.clone, locking.CLONE, seconds=git.limits.waiting) as held:
        return await in_thread(_remove, git, tree, rescue, held)


async def listed(git: Git, place: Place) -> list[Listed]:
    """The worktrees that git knows of this clone, the clone itself left out."""
    return await in_thread(_listed, git, place)


class _Start(NamedTuple):
    """Where a branch is, or begins."""

    head: str
    base: str
    is_resumed: bool


def _make(store: Store, tree: Tree, reason: str) -> Made:
    known = entries.all_of(store)
    _drop_removed(tree.path)
    start = _start(store, tree)
    entry = next((entry for entry in known if entry.path == tree.path), None)
    if entry and entry.is_whole(store):
        if entry.branch != tree.branch:
            raise _conflict(f"its worktree is on {entry.branch or 'no branch'}: switch it back")
        entry.lock(store, _line(reason))
        return Made(head=start.head, base=start.base, is_resumed=True)
    if entry and store.read(f"{entry.place}/{MAKING}") is not None and tree.path.exists():
        shutil.rmtree(tree.path)
    if entry:
        entry.forget(store)
    _clear(tree.path)
    _refuse_elsewhere(store, tree, [other for other in known if other is not entry])
    start = _caught_up(store, tree, start)
    _add(store, tree, start, reason)
    return Made(head=start.head, base=start.base, is_resumed=start.is_resumed)


def _start(store: Store, tree: Tree) -> _Start:
    own, remote = f"{HEADS}{tree.branch}", f"{REMOTES}{tree.branch}"
    refs = store.refs(own, f"{HEADS}{tree.base_branch or tree.branch}", REMOTES)
    begin = store.base_of(tree, refs)
    if begin is None:
        raise words.error(Trouble.NO_BRANCH)
    _own(store, tree, begin)
    head = refs.get(own) or refs.get(remote)
    if own not in refs:
        store.update({own: head or begin}, before=refs, why="worktree")
    if head is None:
        return _Start(begin, begin, is_resumed=False)
    with store.desk() as desk:
        return _Start(head, desk.run.attempt("merge-base", begin, head).text or begin, is_resumed=True)


def _own(store: Store, tree: Tree, at: str) -> None:
    """Keep the branch for its owner, or GitError where it is another one's."""
    place = f"{OWNERS}{hashlib.sha256(tree.branch.encode()).hexdigest()}/"
    known = store.refs(place)
    if f"{place}{tree.owner}" in known:
        return
    if known:
        raise _conflict("another account that shares the clone has it: give the repository a branch prefix of its own")
    store.update({f"{place}{tree.owner}": at}, before=known, why="owner")


def _caught_up(store: Store, tree: Tree, start: _Start) -> _Start:
    """The branch with what others pushed to it, if nothing of its own stands against that."""
    own, remote = f"{HEADS}{tree.branch}", f"{REMOTES}{tree.branch}"
    refs = store.refs(own, remote)
    theirs = refs.get(remote, start.head)
    with store.desk() as desk:
        if theirs == start.head or desk.run.attempt("merge-base", "--is-ancestor", start.head, theirs).code:
            return start
    store.update({own: theirs}, before=refs, why="fast-forward")
    return start._replace(head=theirs)


def _add(store: Store, tree: Tree, start: _Start, reason: str) -> None:
    tree.path.parent.mkdir(parents=True, exist_ok=True)
    store.run("worktree", "add", "--quiet", "--no-checkout", "--lock", tree.path, tree.branch)
    entry = next((entry for entry in entries.all_of(store) if entry.path == tree.path), None)
    if entry is None or entry.branch != tree.branch:
        raise escapes("git made another worktree than was asked for")
    entry.lock(store, _line(reason))
    store.write(f"{entry.place}/{MAKING}", b"")
    Confined(tree.path).write(".git", f"{entry.pointer(store)}\n".encode())
    with store.desk(head=start.head, work=tree.path) as desk:
        desk.run("read-tree", "--reset", "-u", start.head)
        desk.put_index(f"{entry.place}/index")
    store.files.remove(f"{entry.place}/{MAKING}")


def _refuse_elsewhere(store: Store, tree: Tree, others: list[Entry]) -> None:
    main = (store.read("HEAD") or b"").decode(errors="replace").strip()
    if main == f"ref: {HEADS}{tree.branch}":
        raise _conflict("the clone itself is on it")
    for other in others:
        if other.branch == tree.branch:
            if other.path.exists():
                raise _conflict(f"the worktree {other.path.name} is on it")
            other.forget(store)


def _clear(path: Path) -> None:
    """Have nothing in the way; files that no worktree is known for are kept beside it."""
    if not path.exists():
        return
    found = list(path.iterdir())
    if [each.name for each in found] == [".git"] and found[0].is_file() and not found[0].is_symlink():
        found[0].unlink()
        found = []
    if found:
        path.rename(aside.free(path))
    else:
        path.rmdir()


def _lock(git: Git, tree: Tree, reason: str | None, held: int) -> None:
    store = Store(git, tree.clone, holding=(held,))
    entry = entries.find(store, tree)
    if reason is None:
        store.files.remove(f"{entry.place}/locked")
    else:
        entry.lock(store, _line(reason))


def _remove(git: Git, tree: Tree, rescue: str, held: int) -> str | None:
    store = Store(git, tree.clone, holding=(held,))
    _drop_removed(tree.path)
    entry = next((entry for entry in entries.all_of(store) if entry.path == tree.path), None)
    if entry is None:
        if tree.path.exists():
            raise escapes("a directory stands there that is no worktree of this clone")
        return None
    kept = rescuing.Rescued(None)
    if tree.path.exists():
        if not entry.is_whole(store) and any(each.name != ".git" for each in tree.path.iterdir()):
            raise escapes("its .git file does not lead to its clone any more")
        kept = rescuing.rescue(store, tree, entry, rescue)
        tree.path.rename(_removed(tree.path) if kept.is_whole else aside.free(tree.path))
    entry.forget(store)
    _drop_removed(tree.path)
    return kept.name


def _removed(path: Path) -> Path:
    return locking.beside(path, "removed")


def _drop_removed(path: Path) -> None:
    place = _removed(path)
    if os.path.lexists(place):
        shutil.rmtree(place)


def _listed(git: Git, place: Place) -> list[Listed]:
    store = Store(git, place.directory)
    refs = store.refs(HEADS)
    return [
        Listed(
            path=entry.path,
            branch=entry.branch,
            head=refs.get(f"{HEADS}{entry.branch}") if entry.branch else entry.head,
            locked=entry.locked,
            is_missing=not entry.path.is_dir(),
        )
        for entry in entries.all_of(store)
    ]


def _line(reason: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())[:REASON_MOST]


def _conflict(why: str) -> GitError:
    return GitError(Trouble.CONFLICT, f"the branch cannot have a worktree there: {why}")
