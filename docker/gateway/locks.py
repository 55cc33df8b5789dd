"""Locks that a gateway left behind which did not end by itself."""

import os
import re
from contextlib import suppress
from pathlib import Path

from common import say, state

LARGEST_LOCK = 1024


def began(pid: int) -> str:
    """When this process began, in ticks since the machine did, which tells a reused number; empty if it does not live."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # One that ended stays visible until somebody asks for its exit code.
        return "" if words[0] in {"Z", "X"} else words[19]
    except (OSError, IndexError):
        return ""


def may_hold(pid: int, lock: Path) -> bool:
    """Whether this process lives and already did when the lock was written."""
    try:
        ticks = int(began(pid) or -1)
        machine = int(re.findall(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)[0])
    except (OSError, IndexError):
        return True
    return ticks >= 0 and machine + ticks / os.sysconf("SC_CLK_TCK") <= lock.lstat().st_mtime + 2


def opened() -> set[tuple[int, int]]:
    """The files that processes have open, as far as this one may see."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            status = entry.stat()
            found.add((status.st_dev, status.st_ino))
    return found


def is_stale(lock: Path, held: set[tuple[int, int]]) -> bool:
    """Whether it is a lock and nobody has it: empty, or naming a process that is gone. Other files end in `.lock` too."""
    status = lock.lstat()
    if lock.is_symlink():
        text = str(lock.readlink())
        named = re.fullmatch(r"(?:.*-)?(\d+)", text)
    elif not lock.is_file() or status.st_size > LARGEST_LOCK or (status.st_dev, status.st_ino) in held:
        return False
    else:
        text = lock.read_text("utf-8", errors="replace").strip()
        named = re.fullmatch(r"(\d+)(?:\s.*)?", text) or re.fullmatch(r'\{.*"pid"\s*:\s*(\d+).*\}', text, re.DOTALL)
    return not may_hold(int(named[1]), lock) if named else not text


def clear_locks() -> None:
    """Take away the locks that a gateway left behind which did not end by itself."""
    own = state("start.lock")
    locks = [path for path in own.parent.rglob("*.lock") if path != own]
    singletons = list(own.parent.rglob("SingletonLock"))
    held = opened() if locks else set()
    for lock in [*locks, *singletons]:
        with suppress(OSError):
            if is_stale(lock, held):
                lock.unlink()
                say(f"took away the lock {lock}, which nobody holds any more.")
