"""A real scheduler process for tests that kill it: `crash_scheduler.py SERVICE_URL`."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from app.runtime.scheduling import Scheduler
from tests import make


async def main(url):
    make.order()
    async with make.opened(url, subscribers={}) as database:
        await Scheduler(database, jitter=lambda: 0.0).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
