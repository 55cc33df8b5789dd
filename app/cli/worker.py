"""One worker process."""

import asyncio
import logging
import os
import signal

import uvloop

from app import main
from app.kernel.settings import Settings

LEAVE_SECONDS = 1.0


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is in flight; a second signal ends it at once."""
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    work = asyncio.ensure_future(main.run_worker(settings, stop))

    def heard() -> None:
        if stop.is_set():
            work.cancel()
        else:
            stop.set()
            asyncio.get_running_loop().call_later(settings.drain_seconds, work.cancel)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, heard)
    try:
        await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    await leave_behind()


async def leave_behind() -> None:
    """End the process at once if a handler does not let itself be ended; its command was given back."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=LEAVE_SECONDS))[1]:
        logging.shutdown()
        os._exit(0)
