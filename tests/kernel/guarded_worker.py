"""A real worker whose handler runs a stubborn program: `guarded_worker.py SERVICE_URL MARK`."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.kernel import guard
from app.runtime.worker import Worker
from tests import make

# It ignores SIGTERM, has a child that does too, and one that has left its process group.
STUBBORN = "trap '' TERM; setsid sleep {mark} & (trap '' TERM; sleep {mark}) & while :; do sleep {mark}; done"


def program(mark):
    return ["sh", "-c", STUBBORN.format(mark=mark)]


def handler(mark):
    async def run(_attempt):
        await guard.run(program(mark), environment={"PATH": "/usr/bin:/bin"}, directory=Path("/"), seconds=60)

    return run


async def main(url, mark):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with make.opened(url, subscribers={}) as database:
        await Worker(database, url, handlers={"test.program": handler(mark)}, slots=2, drain_seconds=0.1).run(stop)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
