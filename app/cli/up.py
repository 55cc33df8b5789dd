"""One command for everything: database, migrations, seeds, API and workers."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import httpx

from app.cli import repository, seeds
from app.cli.address import board_url, check_port
from app.cli.attached import CLOSING_SECONDS
from app.cli.children import Children
from app.cli.connection import admin_url, database, service_user
from app.delivery import templating
from app.kernel import clock, datadir, migrate
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart

READY_SECONDS = 60.0


class Stops:
    """The first SIGINT, SIGTERM or SIGHUP asks for a stop, the second for a quick one."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        # nohup means that a closed terminal is no reason to stop.
        hangup = set() if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else {signal.SIGHUP}
        for number in {signal.SIGINT, signal.SIGTERM} | hangup:
            asyncio.get_running_loop().add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        if self.asked.is_set():
            self.hurry.set()
        self.asked.set()

    async def or_done(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether `work` was done before a stop was asked for; else it is cancelled."""
        task = asyncio.create_task(work)
        asked = asyncio.create_task(self.asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False


async def run(settings: Settings) -> None:
    """Start everything, and stop everything when asked to or when a part keeps crashing."""
    templating.ready(settings)
    stops = Stops()
    async with AsyncExitStack() as stack:
        claim = datadir.claim(settings.data_dir, url=board_url(settings))
        stack.callback(claim.release)
        check_port(settings)
        if not await stops.or_done(_serve(settings, stack, stops)):
            print("callboard: stopping", file=sys.stderr, flush=True)


async def _serve(settings: Settings, stack: AsyncExitStack, stops: Stops) -> None:
    settings = await stack.enter_async_context(database(settings))
    await migrate.upgrade(admin_url(settings), service_user(settings), mode=settings.clock)
    report = await seeds.load(settings, settings.seeds_dir)
    children = Children({**os.environ, "DATABASE_URL": settings.database_url or ""})
    seconds = settings.drain_seconds + CLOSING_SECONDS
    stack.push_async_callback(children.stop, seconds=seconds, hurry=stops.hurry)
    # Two workers would race, and a simulated run is to go the same way each time.
    workers = settings.worker_processes if settings.clock == clock.SYSTEM else min(settings.worker_processes, 1)
    for command in ["serve", *["worker"] * workers]:
        children.keep(command)
    try:
        await _until_ready(board_url(settings), children)
    finally:
        # These tokens are made once, so they are handed over even when the start fails here.
        seeds.show(report, settings.data_dir)
    children.may_restart = True
    watching = asyncio.create_task(repository.watch(settings, report.account_id))
    stack.push_async_callback(_ended, watching)
    print(f"Callboard is ready at {board_url(settings)}\nNext, in another terminal:  ./callboard demo", flush=True)
    raise CannotStart(await children.failed)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _until_ready(url: str, children: Children) -> None:
    deadline = time.monotonic() + READY_SECONDS
    answer = "no answer"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            if children.failed.done():
                raise CannotStart(children.failed.result())
            try:
                response = await client.get(f"{url}/ready")
            except httpx.HTTPError:
                pass
            else:
                if response.status_code == httpx.codes.OK:
                    return
                answer = f"{response.status_code} {response.text[:200]}"
            await asyncio.sleep(0.05)
    raise CannotStart(f"the board at {url} is not ready after {READY_SECONDS:.0f} seconds: {answer}")
