"""Committing: the tree is written in private, then the branch and the worktree's index follow."""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.bootstrap.git import entries, observing, words
from app.bootstrap.git.entries import Entry
from app.bootstrap.git.rescuing import signed, stage
from app.bootstrap.git.store import HEADS, SHA, Desk, Store, drop_stale, same_time
from app.bootstrap.types.vcs import Author, Commit, GitError, Tree, Trouble
from app.kernel.confined import Confined, Escapes

_MARKED = re.compile(rb"^(<{7} |>{7} )", re.MULTILINE)
# In a lock while the board has it; git leaves its own empty until it writes the index there.
OURS = b"callboard\n"
_MERGING = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "AUTO_MERGE")


def commit(store: Store, tree: Tree, message: str, author: Author, paths: Sequence[str]) -> Commit | None:
    entry = entries.find(store, tree)
    if entry.branch != tree.branch:
        raise GitError(Trouble.CONFLICT, f"the worktree is on {entry.branch or 'no branch'}: switch it back to its own branch")
    with _index_lock(store, entry) as lock:
        name = f"{HEADS}{tree.branch}"
        refs = store.refs(name)
        if name not in refs:
            raise words.error(Trouble.NO_BRANCH)
        head = refs[name]
        with store.desk(head=head, work=tree.path, index=f"{entry.place}/index") as desk:
            _refuse_conflicts(desk, tree)
            merged = _merged(store, entry)
            written = _written(desk, head, paths if not merged else ())
            if written == desk.run("rev-parse", f"{head}^{{tree}}").text and not merged:
                _replace(lock, desk)
                return None
            parents = [word for sha in (head, *merged) for word in ("-p", sha)]
            sha = desk.run("commit-tree", *parents, "-F", "-", written, given=_message(message), variables=signed(author)).text
            store.update({name: sha}, before=refs, why="commit")
            _replace(lock, desk)
            for left in _MERGING:
                store.files.remove(f"{entry.place}/{left}")
            return observing.described(desk, "--max-count=1", sha)[0]


def _written(desk: Desk, head: str, paths: Sequence[str]) -> str:
    """The tree to commit; the copy of the index becomes what the worktree's is to be."""
    if not paths:
        stage(desk)
        return desk.run("write-tree").text
    given = "\x00".join(paths).encode()
    alone = {"GIT_INDEX_FILE": str(desk.path / "alone")}
    desk.run("read-tree", head, variables=alone)
    for variables in (alone, {}):
        ran = desk.run.attempt("add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul", given=given, variables=variables)
        if ran.code:
            known = b"did not match" in ran.errors or b"are ignored" in ran.errors
            advice = "a path is neither changed nor known there, or git ignores it: name paths as git-status shows them"
            raise GitError(Trouble.NOT_FOUND, advice) if known else words.error(words.trouble_in(ran.errors))
    return desk.run("write-tree", variables=alone).text


def _refuse_conflicts(desk: Desk, tree: Tree) -> None:
    rows = desk.run("ls-files", "--unmerged", "-z").output.decode(errors="surrogateescape").split("\x00")
    for path in {row.partition("\t")[2] for row in rows if row}:
        with suppress(Escapes, OSError):
            if _MARKED.search(Confined(tree.path).read(path) or b""):
                raise GitError(Trouble.CONFLICT, "files still hold the marks of a merge: resolve them first")


def _merged(store: Store, entry: Entry) -> list[str]:
    """The commits that are being merged into the branch."""
    heads = (store.read(f"{entry.place}/MERGE_HEAD") or b"").decode(errors="replace").split()
    return [head for head in heads if SHA.fullmatch(head)]


@contextmanager
def _index_lock(store: Store, entry: Entry) -> Iterator[Path]:
    """The lock that every git takes to write this index; one that a killed git, or a killed board, left is taken over."""
    lock = store.git_dir / entry.place / "index.lock"
    drop_stale(lock)
    _drop_abandoned(lock)
    try:
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise words.error(Trouble.BUSY) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, OURS)
        yield lock
    finally:
        # Once this one has become the index, another call may have made its own.
        if _is_at(lock, handle):
            lock.unlink()
        os.close(handle)


def _drop_abandoned(lock: Path) -> None:
    """Remove a lock of the board's own that nobody keeps open any more."""
    with suppress(OSError):
        handle = os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.read(handle, len(OURS) + 1) == OURS and _is_at(lock, handle):
                lock.unlink()
        finally:
            os.close(handle)


def _is_at(lock: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.lstat(lock), os.fstat(handle))
    return False


def _replace(lock: Path, desk: Desk) -> None:
    lock.write_bytes(desk.index.read_bytes())
    same_time(lock, desk.index)
    lock.rename(lock.with_name("index"))


def _message(text: str) -> bytes:
    return text.replace("\x00", "").rstrip().encode(errors="replace") + b"\n"
