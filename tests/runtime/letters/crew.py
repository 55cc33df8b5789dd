"""A real worker process that does what `test.breakable` wants, to be killed: `crew.py SERVICE_URL`."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EFFECT = "INSERT INTO effects (account_id, command_id) VALUES ($1, $2) RETURNING 1"
Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@asynccontextmanager
async def crew(url: str) -> AsyncIterator[Start]:
    """Starts worker processes; what is left of them at the end is killed."""
    processes: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(sys.executable, __file__, url, cwd=ROOT, stdout=quiet, stderr=quiet)
        processes.append(process)
        return process

    try:
        yield start
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def effect(attempt):
    await asyncio.sleep(random.uniform(0, 0.02))
    async with attempt.transaction() as tx:
        await tx.value(EFFECT, attempt.claim.account_id, attempt.claim.id)
        attempt.finish(tx)


async def main(url):
    from app.runtime.worker import Worker
    from tests import make

    async with make.opened(url, subscribers={}) as database:
        await Worker(database, url, handlers={"test.breakable": effect}, slots=10).run(asyncio.Event())


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    asyncio.run(main(sys.argv[1]))
