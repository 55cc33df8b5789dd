"""The process between the board and a program: `guardian.py INPUT STATUS GRACE LOCALE PROGRAM…`, started by `guard.py` alone.

It tells the number of the program's process group and then how the program ended. Once it did, or standard input closes
because whoever asked has gone, it ends all that is left.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

# Where no locale is given, Python gives its own processes one; the program must not inherit it.
OWN_LOCALE, GIVEN_LOCALE = "own", "given"
PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.01
KILLED_SECONDS = 1.0
# What a stop of the whole machine or a closed terminal sends to everybody: the pipe decides, not these.
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


def main() -> None:
    entry, status, grace, program = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[5:]
    if sys.argv[4] == OWN_LOCALE:
        os.environ.pop("LC_CTYPE", None)
    os.set_inheritable(status, False)  # noqa: FBT003 it takes no names
    _adopt_orphans()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        group = _start(program, entry)
    except OSError as error:
        os.write(status, f"! {error.strerror}\n".encode())
        return
    os.write(status, f"{group}\n".encode())
    code = _ended(group, woken)
    if code is not None:
        with suppress(OSError):
            os.write(status, f"{code}\n".encode())
    _end_group(group, grace)
    _end_orphans()


def _start(program: list[str], entry: int) -> int:
    return os.posix_spawnp(
        program[0],
        program,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, entry, 0), (os.POSIX_SPAWN_CLOSE, entry)],
        setpgroup=0,
        setsigdef=[*IGNORED, signal.SIGCHLD],
    )


def _ended(program: int, woken: int) -> int | None:
    """The program's exit code, or None once standard input is closed."""
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if 0 in readable and not os.read(0, 1):
            return None
        os.read(woken, 64)
        found, status = os.waitpid(program, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)


def _end_group(group: int, grace: float) -> None:
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, KILLED_SECONDS)):
        deadline = time.monotonic() + seconds
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        while _reaped(group) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


def _reaped(group: int) -> bool:
    """Bury the dead; whether somebody of the group is left."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _adopt_orphans() -> None:
    # Linux alone: what leaves its group and loses its parent, as daemons do, comes to this process.
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 elsewhere it would only cost time

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    deadline = time.monotonic() + KILLED_SECONDS
    while time.monotonic() < deadline and children.exists() and (left := children.read_text().split()):
        for child in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(child), signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


if __name__ == "__main__":
    main()
