"""The data directory and its lock: one living board each."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from app.kernel.startup import CannotStart


class AlreadyRunning(CannotStart):
    pass


class Holder(msgspec.Struct, frozen=True):
    """Who holds a data directory."""

    pid: int
    url: str


class Claim:
    """Holds a data directory until it is released or its process dies."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()


def create(data_dir: Path) -> None:
    """Make the directory, closed to others; root's stays passable for the database's own user."""
    if data_dir.is_dir():
        return
    try:
        data_dir.mkdir(parents=True)
        data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise CannotStart(f"CALLBOARD_DATA_DIR: cannot make {data_dir}: {error.strerror}") from None


def claim(data_dir: Path, *, url: str) -> Claim:
    """Become the one board of this directory, or raise `AlreadyRunning`."""
    create(data_dir)
    try:
        file = (data_dir / "lock").open("a+b")
    except OSError as error:
        raise CannotStart(f"CALLBOARD_DATA_DIR: cannot write in {data_dir}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        held = _read(data_dir)
        who = f" as process {held.pid} at {held.url}" if held else ""
        raise AlreadyRunning(f"already running on {data_dir}{who}") from None
    file.truncate(0)
    file.write(msgspec.json.encode(Holder(pid=os.getpid(), url=url)))
    file.flush()
    return Claim(file)


def holder(data_dir: Path) -> Holder | None:
    """The living board of this directory, if there is one."""
    try:
        with (data_dir / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(data_dir)
    except OSError:
        return None
    return None


def _read(data_dir: Path) -> Holder | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((data_dir / "lock").read_bytes(), type=Holder)
    return None
