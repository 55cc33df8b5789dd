"""One process at a time for one clone: locks on files beside it, which git's own processes keep while they work."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.bootstrap.git.words import error
from app.bootstrap.types.vcs import Trouble

LOOK_SECONDS = 0.05
PRIVATE = 0o600
# A sync holds the first for as long as the network takes, the second is held only while the clone itself changes.
SYNC, CLONE = "sync", "lock"


def beside(directory: Path, kind: str) -> Path:
    return directory.with_name(f".{directory.name}.{kind}")


@asynccontextmanager
async def locked(directory: Path, kind: str, *, seconds: float) -> AsyncIterator[int]:
    """The open file of the lock; GitError with `busy` if others keep it for longer than that."""
    handle = _opened(beside(directory, kind))
    try:
        await _taken(handle, seconds=seconds)
        # It is closed, not unlocked: what still works with a copy of it keeps the lock.
        yield handle
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    except OSError:
        raise error(Trouble.NOT_WRITABLE) from None


async def _taken(handle: int, *, seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    latest = clock() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock() >= latest:
                raise error(Trouble.BUSY) from None
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return
