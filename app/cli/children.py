"""The processes that `up` keeps alive."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from app.kernel.settings import ROOT

CRASHES = 5
WINDOW_SECONDS = 60.0
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0


def restart_delay(crashes: Sequence[float], *, now: float) -> float | None:
    """How long to wait before the next start; None when it has crashed too often."""
    recent = sum(1 for at in crashes if now - at < WINDOW_SECONDS)
    if recent >= CRASHES:
        return None
    return float(min(FIRST_DELAY * 2 ** max(recent - 1, 0), LONGEST_DELAY))


class Children:
    """Starts commands of this program, restarts what crashes, and ends them together."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.may_restart = False
        self._environment = {**environment, "PYTHONPATH": str(ROOT)}
        self._living: set[asyncio.subprocess.Process] = set()
        self._keepers: list[asyncio.Task[None]] = []

    def keep(self, command: str) -> None:
        self._keepers.append(asyncio.create_task(self._keep(command)))

    async def stop(self, *, seconds: float, hurry: asyncio.Event) -> None:
        """Ask all to end, and kill what has not by then, or once `hurry` is set."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in self._living:
            with suppress(ProcessLookupError):
                process.terminate()
        all_ended = asyncio.create_task(self._all_ended())
        hurried = asyncio.create_task(_when(hurry))
        await asyncio.wait({all_ended, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for process in self._living:
            _kill_group(process)
        await all_ended

    async def _all_ended(self) -> None:
        for process in self._living:
            await process.wait()

    async def _keep(self, command: str) -> None:
        crashes: list[float] = []
        while True:
            process = await asyncio.shield(asyncio.ensure_future(self._start(command)))
            code = await process.wait()
            self._living.discard(process)
            # Its own children, if it was killed, would hold the port.
            _kill_group(process)
            crashes.append(time.monotonic())
            delay = restart_delay(crashes, now=crashes[-1]) if self.may_restart else None
            if delay is None:
                self._give_up(command, code, len(crashes))
                return
            print(f"callboard: {command} {_ended(code)}; starting it again", file=sys.stderr, flush=True)
            await asyncio.sleep(delay)

    async def _start(self, command: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-P", "-m", "app", command, "--attached"],
            # Nothing is written to it: the child ends itself when this process is gone and the pipe closes.
            stdin=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        self._living.add(process)
        return process

    def _give_up(self, command: str, code: int, crashes: int) -> None:
        if not self.failed.done():
            often = f" for the {crashes}th time; giving up" if self.may_restart else " during the start"
            self.failed.set_result(f"{command} {_ended(code)}{often}; its log is above")


async def _when(event: asyncio.Event) -> None:
    await event.wait()


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
