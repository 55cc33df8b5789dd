"""A clone as it lies on the disk, looked at without trusting it, and private git directories that work with its objects.

Agents may write to a clone. What runs filters, compares files or talks to a remote therefore never reads the clone's
configuration: it works in a private directory that borrows the clone's objects and has a copy of the index.
"""

import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.bootstrap.git import configuration
from app.bootstrap.git.program import Git
from app.bootstrap.git.running import Local
from app.bootstrap.types.vcs import GitError, Tree, Trouble
from app.kernel.confined import Confined, Escapes

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
HEADS, REMOTES, TAGS = "refs/heads/", "refs/remotes/origin/", "refs/tags/"
NO_CLONE = "no clone is in that directory yet"
DEBRIS_SECONDS = 86_400.0
# Git writes an index or a reference in less.
STALE_SECONDS = 120.0
_KEPT = ("core.filemode", "core.symlinks", "core.ignorecase", "core.precomposeunicode")


class Store:
    """The clone in a directory; `holding` are locks that each git keeps while it works. Blocking, so use it in a thread."""

    def __init__(self, git: Git, clone: Path, *, holding: Sequence[int] = ()) -> None:
        self.git = git
        self.clone = clone
        self.git_dir = clone / ".git"
        self.files = Confined(self.git_dir)
        self._holding = tuple(holding)
        _refuse_links(clone, self.git_dir)
        self.config = self._config()
        variables = {"GIT_DIR": str(self.git_dir), "GIT_COMMON_DIR": str(self.git_dir)}
        # For what reads and writes references and worktrees alone.
        self.run = Local(git, variables, holding=holding)

    def refs(self, *patterns: str) -> dict[str, str]:
        """Commits by the names of references that match; symbolic ones are left out."""
        listed = self.run("for-each-ref", "--format=%(objectname) %(symref) %(refname)", *patterns).output
        rows = (line.split(" ", 2) for line in listed.decode(errors="surrogateescape").splitlines())
        return {name: sha for sha, symbolic, name in rows if not symbolic}

    def base_of(self, tree: Tree, refs: Mapping[str, str]) -> str | None:
        """Where the base branch of a worktree is, as it was last fetched; of `refs`, which hold those of the remote."""
        name = tree.base_branch
        if not name:
            name = (self.read(f"{REMOTES}HEAD") or b"").decode(errors="replace").strip().removeprefix(f"ref: {REMOTES}")
        return refs.get(f"{REMOTES}{name}") or refs.get(f"{HEADS}{name}")

    def update(self, changes: Mapping[str, str | None], *, before: Mapping[str, str], why: str) -> None:
        """Set references, or delete those that become None, if they still are what they were before."""
        gone = [f"delete {name} {before[name]}" for name, sha in changes.items() if sha is None]
        put = [f"update {name} {sha} {before.get(name, '0' * len(sha))}" for name, sha in changes.items() if sha]
        # Each list for itself: a name may become a directory of names.
        for lines in filter(None, (gone, put)):
            given = "\n".join([*lines, ""]).encode(errors="surrogateescape")
            asked = ("update-ref", "--no-deref", "-m", why, "--stdin")
            try:
                self.run(*asked, given=given)
            except GitError as error:
                if error.trouble is not Trouble.BUSY or not self._unlocked(changes):
                    raise
                self.run(*asked, given=given)

    def _unlocked(self, names: Iterable[str]) -> bool:
        """Whether a lock on one of these was that of a git that was killed, and is gone now."""
        locks = [self.git_dir / f"{name}.lock" for name in (*names, "packed-refs")]
        return True in {drop_stale(lock) for lock in locks}

    def read(self, name: str) -> bytes | None:
        try:
            return self.files.read(name)
        except Escapes:
            raise escapes(f".git/{name} is no plain file") from None

    def write(self, name: str, content: bytes) -> None:
        try:
            self.files.write(name, content)
        except Escapes:
            raise escapes(f".git/{name} is no plain file") from None

    @property
    def holding(self) -> tuple[int, ...]:
        return self._holding

    @contextmanager
    def desk(
        self,
        *,
        head: str | None = None,
        work: Path | None = None,
        index: str | None = None,
        refs: Mapping[str, str] | None = None,
    ) -> Iterator["Desk"]:
        """A private git directory at `head`, with the files of `work` and a copy of the clone's `index`, gone at the end."""
        with private(self.git) as path:
            yield Desk(self, path, head=head, work=work, index=index, refs=refs or {})

    def _config(self) -> dict[str, str]:
        names = [name for name in ("config", "config.worktree") if self.read(name) is not None]
        if "config" not in names:
            raise GitError(Trouble.NOT_A_CLONE, NO_CLONE)
        found: dict[str, str] = {}
        for name in names:
            reader = Local(self.git, {})
            found |= configuration.listed(reader("config", "--file", self.git_dir / name, "--no-includes", "--list", "-z").output)
        if key := configuration.unsafe_key(list(found)):
            advice = f"the clone's configuration holds {_plain(key)}, which the board does not follow: take it out of .git/config"
            raise GitError(Trouble.UNSAFE_CONFIG, advice)
        return found


class Desk:
    """`run` is git in the private directory."""

    def __init__(
        self, store: Store, path: Path, *, head: str | None, work: Path | None, index: str | None, refs: Mapping[str, str]
    ) -> None:
        self.store = store
        self.path = path
        self.index = path / "index"
        for name in ("objects", "refs"):
            (path / name).mkdir()
        (path / "HEAD").write_text(f"{head}\n" if head else f"ref: {HEADS}none\n")
        (path / "config").write_text(_config_of(store.config))
        lines = [f"{sha} {name}\n" for name, sha in sorted(refs.items())]
        (path / "packed-refs").write_bytes("".join(["# pack-refs with: sorted \n", *lines]).encode(errors="surrogateescape"))
        if (shallow := store.read("shallow")) is not None:
            (path / "shallow").write_bytes(shallow)
        if index is not None and (content := store.read(index)) is not None:
            self.index.write_bytes(content)
            same_time(self.index, store.git_dir / index)
        self.variables = {"GIT_DIR": str(path), "GIT_OBJECT_DIRECTORY": str(store.git_dir / "objects")}
        placed = {"GIT_WORK_TREE": str(work)} if work else {}
        self.run = Local(store.git, self.variables | placed, directory=work, holding=store.holding)

    def put_index(self, name: str) -> None:
        """Make the copy the clone's own."""
        self.store.write(name, self.index.read_bytes())
        same_time(self.store.git_dir / name, self.index)

    def refs(self) -> dict[str, str]:
        listed = self.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/remotes", "refs/tags").output
        rows = (line.split(" ", 1) for line in listed.decode(errors="surrogateescape").splitlines())
        return {name: sha for sha, name in rows}

    def shallow(self) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self.path / "shallow").read_bytes() or None
        return None


@contextmanager
def private(git: Git) -> Iterator[Path]:
    """A directory that only the board reads, gone at the end."""
    path = Path(tempfile.mkdtemp(prefix="desk-", dir=git.private))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def escapes(why: str) -> GitError:
    return GitError(Trouble.ESCAPES, f"{why}: the board touches it no more until that is put right")


def drop_stale(lock: Path) -> bool:
    """Remove a lock that is older than any git needs it; whoever held it was killed."""
    with suppress(OSError):
        if os.lstat(lock).st_mtime < time.time() - STALE_SECONDS:
            lock.unlink()
            return True
    return False


def same_time(copy: Path, index: Path) -> None:
    """Git compares the time of an index with those of files to tell which it has to read again."""
    at = os.lstat(index).st_mtime_ns
    os.utime(copy, ns=(at, at), follow_symlinks=False)


def sweep(git: Git) -> None:
    """Take away private directories that killed processes left."""
    latest = time.time() - DEBRIS_SECONDS
    for path in git.private.glob("desk-*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < latest:
                shutil.rmtree(path, ignore_errors=True)


def _refuse_links(clone: Path, git_dir: Path) -> None:
    try:
        modes = {path: os.lstat(path).st_mode for path in (clone, git_dir, git_dir / "objects", git_dir / "refs")}
    except (FileNotFoundError, NotADirectoryError):
        raise GitError(Trouble.NOT_A_CLONE, NO_CLONE) from None
    except PermissionError:
        raise GitError(Trouble.NOT_WRITABLE, "the directory of the clone cannot be read: check its owner and mode") from None
    if not all(stat.S_ISDIR(mode) for mode in modes.values()):
        raise escapes("the clone, or a directory of git in it, is a link or a file")
    if (git_dir / "commondir").exists():
        raise escapes("the clone's .git names another repository in its place")


def _config_of(config: Mapping[str, str]) -> str:
    kept = [f"\t{key.partition('.')[2]} = {config[key]}\n" for key in _KEPT if config.get(key) in {"true", "false"}]
    is_long = config.get("extensions.objectformat") == "sha256"
    version, extension = ("1", "[extensions]\n\tobjectformat = sha256\n") if is_long else ("0", "")
    return "".join(["[core]\n", f"\trepositoryformatversion = {version}\n", "\tbare = false\n", *kept, extension])


def _plain(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9._/*-]", "?", key)[:100]
