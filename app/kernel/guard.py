"""Running programs of others so that nothing of them is left, however the call ends: even if this process is killed.

A small guard process stands between. It starts the program in a process group of its own and ends all of it once the
program has ended, or once the pipe from this process closes, which the kernel sees to.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from app.kernel.guardian import GIVEN_LOCALE, OWN_LOCALE

GUARDIAN = Path(__file__).with_name("guardian.py")
# From SIGTERM to SIGKILL, and how long after its end was asked for the guard may be there at all.
GRACE_SECONDS = 1.0
LONGEST_END = 4.0
# Output is read to its end, unless somebody who escaped keeps it open.
LATE_OUTPUT_SECONDS = 0.5
MOST_OUTPUT = 1_048_576
CHUNK = 65_536

_ending: set[asyncio.Task[None]] = set()


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended: `exit_code` is minus a signal's number if one ended it; output beyond the limit is dropped."""

    exit_code: int
    output: bytes
    errors: bytes
    is_truncated: bool


class CannotRun(Exception):
    """The program could not be started."""


class GuardLost(Exception):
    """Somebody killed the guard, and the program was ended with it."""


async def run(
    program: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    directory: Path,
    given: bytes = b"",
    seconds: float,
    most_output: int = MOST_OUTPUT,
) -> Finished:
    """Run `program` without a shell, with this environment only and with `given` as its standard input.

    TimeoutError after `seconds`; when this returns or raises, the program and all that it started have ended.
    """
    return await _ran(_Ask(program, environment, directory, given), seconds=seconds, most=most_output)


async def followed(
    program: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    directory: Path,
    seconds: float,
    said: Callable[[bytes], None],
    holding: Sequence[int] = (),
) -> Finished:
    """The same for a program that tells how far it is: `said` gets its standard error piece by piece.

    `holding` are open files that the guard and the program keep, such as a lock that must last as long as they do.
    """
    return await _ran(_Ask(program, environment, directory, b"", tuple(holding)), seconds=seconds, most=MOST_OUTPUT, said=said)


async def _ran(ask: "_Ask", *, seconds: float, most: int, said: Callable[[bytes], None] | None = None) -> Finished:
    starting = asyncio.create_task(_begun(ask, most, said))
    try:
        async with asyncio.timeout(seconds):
            running = await asyncio.shield(starting)
            await running.told()
    finally:
        ending = asyncio.create_task(_end(starting))
        # Nobody may be left to wait for it.
        _ending.add(ending)
        ending.add_done_callback(_ending.discard)
        await asyncio.shield(ending)
    return running.finished()


async def _begun(ask: "_Ask", most: int, said: Callable[[bytes], None] | None) -> "_Run":
    return _Run(await asyncio.to_thread(_start, ask), most, said)


async def _end(starting: "asyncio.Task[_Run]") -> None:
    with suppress(CannotRun):
        await (await starting).end()


class _Ask(NamedTuple):
    program: Sequence[str | Path]
    environment: Mapping[str, str]
    directory: Path
    given: bytes
    holding: tuple[int, ...] = ()


class _Guard:
    """The guard process and this side of its pipes; it lives while `lifeline` is open."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int, ends: Sequence[int]) -> None:
        self.process = process
        self.status, self.output, self.errors = ends
        self._lifeline: int | None = lifeline

    def let_go(self) -> None:
        """Have the program ended."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def _start(ask: _Ask) -> _Guard:
    guard_in, lifeline = os.pipe()
    pipes = [os.pipe() for _ in range(3)]
    ours, theirs = [pipe[0] for pipe in pipes], [pipe[1] for pipe in pipes]
    try:
        with tempfile.TemporaryFile() as entry:
            _fill(entry, ask.given)
            # Isolated and without `site`: the program's environment must not decide what the guard does.
            guardian = [sys.executable, "-I", "-S", str(GUARDIAN), str(entry.fileno()), str(theirs[0]), str(GRACE_SECONDS)]
            locale = GIVEN_LOCALE if "LC_CTYPE" in ask.environment else OWN_LOCALE
            process = subprocess.Popen(
                [*guardian, locale, *ask.program],
                stdin=guard_in,
                stdout=theirs[1],
                stderr=theirs[2],
                pass_fds=(entry.fileno(), theirs[0], *ask.holding),
                env=dict(ask.environment),
                cwd=ask.directory,
                start_new_session=True,
            )
    except OSError as error:
        for end in (lifeline, *ours):
            os.close(end)
        raise CannotRun(f"no guard for {ask.program[0]}: {error.strerror}") from None
    finally:
        for end in (guard_in, *theirs):
            os.close(end)
    return _Guard(process, lifeline, ours)


def _fill(entry: IO[bytes], given: bytes) -> None:
    # A file, unlike a pipe, waits for no reader.
    entry.write(given)
    entry.seek(0)


class _Run:
    """What a guard tells: the number of the program's group, then how the program ended."""

    def __init__(self, guard: _Guard, most: int, said: Callable[[bytes], None] | None) -> None:
        self._guard = guard
        self._said = said
        self._texts = {end: bytearray() for end in (guard.status, guard.output, guard.errors)}
        self._is_truncated = False
        self._told = asyncio.create_task(self._read(guard.status, most=CHUNK))
        self._readers = [asyncio.create_task(self._read(end, most=most)) for end in (guard.output, guard.errors)]

    async def told(self) -> None:
        """Wait until the guard has told all it will."""
        await asyncio.shield(self._told)

    def finished(self) -> Finished:
        return Finished(
            exit_code=self._exit_code(),
            output=bytes(self._texts[self._guard.output]),
            errors=bytes(self._texts[self._guard.errors]),
            is_truncated=self._is_truncated,
        )

    async def end(self) -> None:
        """Let the guard end what is left, and what it cannot."""
        guard = self._guard
        guard.let_go()
        _, late = await asyncio.wait([self._told], timeout=LONGEST_END)
        if late:
            guard.process.kill()
        if await asyncio.to_thread(guard.process.wait) and self._words():
            with suppress(ProcessLookupError, PermissionError, ValueError):
                os.killpg(int(self._words()[0]), signal.SIGKILL)
        await asyncio.wait(self._readers, timeout=LATE_OUTPUT_SECONDS)
        for reader in (self._told, *self._readers):
            reader.cancel()

    def _exit_code(self) -> int:
        words = self._words()
        if words[:1] == ["!"]:
            raise CannotRun(" ".join(words[1:]))
        if len(words) < 2:  # noqa: PLR2004 the group and the code
            raise GuardLost("the guard of the program was killed")
        return int(words[1])

    def _words(self) -> list[str]:
        return self._texts[self._guard.status].decode().split()

    async def _read(self, end: int, *, most: int) -> None:
        """Read to the end, keep what the limit allows, and let the rest go so that nobody waits to write."""
        kept = self._texts[end]
        try:
            while chunk := await _chunk(end):
                room = most - len(kept)
                self._is_truncated |= len(chunk) > room
                kept += chunk[:room]
                if self._said and end == self._guard.errors:
                    self._said(chunk)
        finally:
            os.close(end)


async def _chunk(end: int) -> bytes:
    """The next bytes of a pipe, none at its end.

    No transport of a loop: some close a pipe twice, and the second time it may be a file that a thread has just opened.
    """
    os.set_blocking(end, False)
    loop = asyncio.get_running_loop()
    while True:
        with suppress(BlockingIOError):
            return os.read(end, CHUNK)
        ready = asyncio.Event()
        loop.add_reader(end, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(end)
