"""The clone of a repository: made if absent, resumed, brought up to date, put aside when its address changed."""

import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from app.bootstrap.git import aside, locking, remote, words
from app.bootstrap.git.addresses import address_of, is_same, setting_of
from app.bootstrap.git.checkout import forward
from app.bootstrap.git.program import Git
from app.bootstrap.git.remote import Call, Look
from app.bootstrap.git.running import Local, in_thread
from app.bootstrap.git.store import HEADS, REMOTES, TAGS, Desk, Store, private, sweep
from app.bootstrap.types.vcs import Cloned, GitError, Place, Progress, Report, Trouble

LONG_SHA = 64
NOT_A_CLONE = "something else is in the directory of the clone: name another directory, or move away what is there"


class _Sync(NamedTuple):
    """One run: what the remote has, and the lock that is held."""

    git: Git
    place: Place
    look: Look
    base: str
    lock: int
    report: Report


async def ensure(git: Git, place: Place, *, report: Report) -> Cloned:
    """Bring the clone to what the remote has, whatever an earlier call left behind; GitError when that cannot be done.

    One process at a time does so for one directory; others wait, or get GitError with `busy`.
    """
    git.require()
    address_of(place)
    try:
        async with locking.locked(place.directory, locking.SYNC, seconds=git.limits.waiting) as lock:
            is_there = await in_thread(_prepare, git, place)
            report(Progress("connecting"))
            look = await _look(git, place)
            sync = _Sync(git, place, look, _base(look, place), lock, report)
            return await (_refreshed(sync) if is_there else _made(sync))
    except GitError as error:
        raise words.placed(error, place) from None
    except OSError as error:
        raise words.error(words.trouble_of(error), place) from None


def _prepare(git: Git, place: Place) -> bool:
    """Whether a clone of this address is there; leftovers of killed calls are gone. GitError if something else is there."""
    sweep(git)
    temporary = locking.beside(place.directory, "cloning")
    for path in (temporary, locking.beside(temporary, "moving")):
        _drop(path)
    try:
        mode = os.lstat(place.directory).st_mode
    except FileNotFoundError:
        aside.mend(git, place.directory)
        return False
    if not stat.S_ISDIR(mode):
        raise _other(place)
    if not any(place.directory.iterdir()):
        return False
    if not (place.directory / ".git").is_dir():
        raise _other(place)
    store = Store(git, place.directory)
    return is_same(_recorded(place) or store.config.get("remote.origin.url", ""), place.url)


async def _look(git: Git, place: Place) -> Look:
    with ExitStack() as stack:
        directory = await in_thread(stack.enter_context, private(git))
        return await remote.look(git, place, directory=directory)


def _base(look: Look, place: Place) -> str:
    if not look.heads:
        raise words.error(Trouble.NO_COMMITS, place)
    base = place.base_branch or look.default
    if base is None or base not in look.heads:
        raise words.error(Trouble.NO_BRANCH, place)
    return base


async def _made(sync: _Sync) -> Cloned:
    """A new clone, whole before it has its name; what is in its place is put aside."""
    temporary = locking.beside(sync.place.directory, "cloning")
    try:
        store = await in_thread(_begun, sync, temporary)
        async with _desk(store, {}) as desk:
            await _fetch(sync, desk, ["--depth", str(sync.place.depth)] if sync.place.depth else [])
            sync.report(Progress("updating files"))
            await in_thread(_settle, sync, store, desk)
        await in_thread(forward, store, sync.base)
        async with locking.locked(sync.place.directory, locking.CLONE, seconds=sync.git.limits.waiting):
            put = await in_thread(_placed, sync, temporary)
    except BaseException:
        await in_thread(_drop, temporary)
        raise
    return Cloned(head=sync.look.heads[sync.base], base_branch=sync.base, is_new=True, has_moved=True, aside=put)


def _begun(sync: _Sync, temporary: Path) -> Store:
    temporary.parent.mkdir(parents=True, exist_ok=True)
    is_long = len(sync.look.heads[sync.base]) == LONG_SHA
    init = Local(sync.git, {"GIT_DEFAULT_HASH": "sha256" if is_long else "sha1"}, holding=(sync.lock,))
    init("init", "--quiet", "--template=", f"--initial-branch={sync.base}", temporary)
    config = Local(sync.git, {})
    for key, value in (
        ("remote.origin.url", sync.place.url),
        ("remote.origin.fetch", f"+{HEADS}*:{REMOTES}*"),
        (f"branch.{sync.base}.remote", "origin"),
        (f"branch.{sync.base}.merge", f"{HEADS}{sync.base}"),
    ):
        config("config", "--file", temporary / ".git" / "config", key, value)
    return Store(sync.git, temporary, holding=(sync.lock,))


def _placed(sync: _Sync, temporary: Path) -> Path | None:
    directory = sync.place.directory
    # A killed call leaves no record rather than that of another clone; the configuration tells the address then.
    locking.beside(directory, "origin").unlink(missing_ok=True)
    put = aside.put(sync.git, directory) if directory.is_dir() and any(directory.iterdir()) else None
    temporary.rename(directory)
    locking.beside(directory, "origin").write_text(sync.place.url)
    return put


async def _refreshed(sync: _Sync) -> Cloned:
    directory = sync.place.directory
    store = await in_thread(Store, sync.git, directory, holding=(sync.lock,))
    known = await in_thread(store.refs, REMOTES, TAGS)
    before = known.get(f"{REMOTES}{sync.base}")
    is_deepened = sync.place.depth is None and bool(store.read("shallow"))
    is_new = {name: sha for name, sha in known.items() if name.startswith(REMOTES)} != _named(sync.look)
    async with _desk(store, known) as desk:
        if is_new or is_deepened:
            await _fetch(sync, desk, ["--unshallow"] if is_deepened else [])
        async with locking.locked(directory, locking.CLONE, seconds=sync.git.limits.waiting) as lock:
            held = await in_thread(Store, sync.git, directory, holding=(sync.lock, lock))
            await in_thread(_settle, sync, held, desk)
            remark = await in_thread(forward, held, sync.base)
    await in_thread(locking.beside(directory, "origin").write_text, sync.place.url)
    head = sync.look.heads[sync.base]
    return Cloned(head=head, base_branch=sync.base, has_moved=head != before, remark=remark)


def _named(look: Look) -> dict[str, str]:
    return {f"{REMOTES}{name}": sha for name, sha in look.heads.items()}


@asynccontextmanager
async def _desk(store: Store, refs: dict[str, str]) -> AsyncIterator[Desk]:
    with ExitStack() as stack:
        yield await in_thread(stack.enter_context, store.desk(refs=refs))


async def _fetch(sync: _Sync, desk: Desk, options: list[str]) -> None:
    asked = ["fetch", "--progress", "--prune", "--no-write-fetch-head", "--no-recurse-submodules", *options, sync.place.url]
    to = Call(sync.place, desk.path, desk.variables, (sync.lock,), sync.report)
    await remote.call(sync.git, to, [*asked, f"+{HEADS}*:{REMOTES}*"], seconds=sync.git.limits.fetching)


def _settle(sync: _Sync, store: Store, desk: Desk) -> None:
    """Give the clone the references that the private directory got; tags are added and never changed."""
    known, found = store.refs(REMOTES, TAGS), desk.refs()
    if (shallow := desk.shallow()) != (store.read("shallow") or None):
        store.write("shallow", shallow or b"")
    changes: dict[str, str | None] = {
        name: sha for name, sha in found.items() if known.get(name) != sha and (name not in known or name.startswith(REMOTES))
    }
    changes |= dict.fromkeys(name for name in known if name.startswith(REMOTES) and name not in found)
    if changes:
        store.update(changes, before=known, why="fetch")
    if sync.look.default in sync.look.heads:
        store.run("symbolic-ref", f"{REMOTES}HEAD", f"{REMOTES}{sync.look.default}")


def _recorded(place: Place) -> str | None:
    """The address that the clone was made of; agents may change what its configuration says."""
    with suppress(OSError):
        return locking.beside(place.directory, "origin").read_text()
    return None


def _other(place: Place) -> GitError:
    return GitError(Trouble.NOT_A_CLONE, NOT_A_CLONE, setting=setting_of(place, "WRITABLE_REPO_DIR"))


def _drop(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
