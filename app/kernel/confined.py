"""Files below one directory to which others write too: no name leads out of it, and no link is followed."""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

NAME_MOST = 255
PATH_MOST = 1_000
PRIVATE, PUBLIC, DIRECTORY = 0o600, 0o644, 0o755
_BESIDE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CONTROL = frozenset(map(chr, (*range(32), 127)))


class Escapes(ValueError):
    """A name that is no plain path below a directory; the message says why and never what it holds."""


def parts(name: str) -> tuple[str, ...]:
    """The steps of a relative path, or Escapes."""
    steps = tuple(name.split("/"))
    if not name or name.startswith("/"):
        raise Escapes("it must be a relative path")
    if any(step in {"", ".", ".."} for step in steps):
        raise Escapes("it must not hold empty steps, `.` or `..`")
    if "\\" in name or any(letter in _CONTROL for letter in name):
        raise Escapes("it must not hold backslashes or control characters")
    try:
        sizes = [len(step.encode()) for step in steps]
    except UnicodeEncodeError:
        raise Escapes("it must be text") from None
    if max(sizes) > NAME_MOST or sum(sizes) + len(sizes) > PATH_MOST:
        raise Escapes("it is too long")
    return steps


class Confined:
    """What is below `root`, reached step by step from its own handle; blocking, so call it in a thread.

    Escapes where a step is a link or no directory, OSError where the disk says no.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: bytes, *, mode: int = PUBLIC) -> None:
        """Put a whole file in its place, or nothing; missing directories are made."""
        *above, last = parts(name)
        with self._directory(above, makes=True) as where:
            beside = f".{secrets.token_hex(8)}.new"
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=where)
            try:
                with os.fdopen(handle, "wb") as file:
                    os.fchmod(file.fileno(), mode)
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                _refuse_directory(last, where)
                os.replace(beside, last, src_dir_fd=where, dst_dir_fd=where)
            except BaseException:
                with suppress(OSError):
                    os.unlink(beside, dir_fd=where)
                raise

    def read(self, name: str, *, most: int = -1) -> bytes | None:
        """The content of a plain file, or its first `most` bytes; None where there is none."""
        with self._opened(name) as file:
            return file.read(most) if file else None

    def digest(self, name: str) -> str | None:
        """The SHA-256 of a plain file, however large it is; None where there is none."""
        with self._opened(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if file else None

    def names(self, name: str) -> list[str]:
        """What a directory holds, in order; nothing where there is none."""
        try:
            with self._directory(list(parts(name))) as where:
                return sorted(entry.name for entry in os.scandir(where))
        except FileNotFoundError:
            return []

    def move(self, name: str, to: str) -> bool:
        """Give a file another name in its directory; False where that is taken."""
        *above, last = parts(name)
        *beside, new = parts(to)
        if beside != above:
            raise Escapes("it must stay in its directory")
        with self._directory(above) as where:
            try:
                os.link(last, new, src_dir_fd=where, dst_dir_fd=where, follow_symlinks=False)
            except FileExistsError:
                return False
            os.unlink(last, dir_fd=where)
        return True

    @contextmanager
    def _opened(self, name: str) -> Iterator[BufferedReader | None]:
        *above, last = parts(name)
        try:
            with self._directory(above) as where:
                handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=where)
        except FileNotFoundError:
            handle = None
        except OSError as error:
            raise Escapes(f"it cannot be read as a plain file ({error.strerror})") from None
        if handle is None:
            yield None
            return
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Escapes("it is no plain file")
            yield file

    def remove(self, name: str) -> bool:
        """Take a file or link away, and the directories that this leaves empty; whether it was there."""
        *above, last = parts(name)
        try:
            with self._directory(above) as where:
                os.unlink(last, dir_fd=where)
        except FileNotFoundError:
            return False
        for end in range(len(above), 0, -1):
            with suppress(OSError), self._directory(above[: end - 1]) as where:
                os.rmdir(above[end - 1], dir_fd=where)
        return True

    def make(self, name: str) -> None:
        """Make a directory, with those above it."""
        with self._directory(list(parts(name)), makes=True):
            pass

    @contextmanager
    def _directory(self, steps: list[str], *, makes: bool = False) -> Iterator[int]:
        if makes:
            self.root.mkdir(parents=True, exist_ok=True)
        where = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in steps:
                below = _entered(step, where, makes=makes)
                os.close(where)
                where = below
            yield where
        finally:
            os.close(where)


def _entered(step: str, where: int, *, makes: bool) -> int:
    if makes:
        with suppress(FileExistsError):
            os.mkdir(step, DIRECTORY, dir_fd=where)
    try:
        return os.open(step, _BESIDE, dir_fd=where)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Escapes(f"a step of it is a link or no directory ({error.strerror})") from None


def _refuse_directory(name: str, where: int) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=where, follow_symlinks=False).st_mode):
            raise Escapes("a directory stands in its place")
