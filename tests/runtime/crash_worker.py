"""A real worker process for tests that kill it: `crash_worker.py SERVICE_URL [DRAIN_SECONDS]`."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.runtime.worker import Worker
from tests import make

EFFECT = "INSERT INTO effects (account_id, command_id) VALUES ($1, $2) RETURNING 1"


async def effect(attempt):
    await asyncio.sleep(random.uniform(0, 0.02))
    async with attempt.transaction() as tx:
        await tx.value(EFFECT, attempt.claim.account_id, attempt.claim.id)
        attempt.finish(tx)


async def poison(_attempt):
    os.kill(os.getpid(), signal.SIGKILL)


async def slow(_attempt):
    await asyncio.sleep(60)


async def brief(_attempt):
    await asyncio.sleep(0.3)


HANDLERS = {"test.effect": effect, "test.poison": poison, "test.slow": slow, "test.brief": brief}


async def main(url, drain_seconds):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with make.opened(url, subscribers={}) as database:
        worker = Worker(database, url, handlers=HANDLERS, slots=10, drain_seconds=drain_seconds)
        await worker.run(stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 5.0))
