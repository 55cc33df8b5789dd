"""What every engine of the comparison shares; it needs nothing but the standard library, so any interpreter can run it."""

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[list[float]], Awaitable[None]]


class Tally:
    """When jobs started, and how long after they were sent."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.first = 0.0
        self.last = 0.0
        self.done = 0

    def note(self, sent: float) -> None:
        now = time.time()
        self.first = self.first or now
        self.last = now
        self.done += 1
        if sent:
            self.latencies.append(now - sent)

    def text(self) -> str:
        return json.dumps({"done": self.done, "first": self.first, "last": self.last, "latencies": self.latencies})


async def stopped() -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    await stop.wait()


async def worked(work: Callable[[Tally], Awaitable[Any]]) -> None:
    """Run `work` until SIGTERM and print what it did."""
    tally = Tally()
    running = asyncio.ensure_future(work(tally))
    waiting = asyncio.ensure_future(stopped())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    print(tally.text(), flush=True)


async def filled(sends: list[Send], *, count: int, batch: int) -> None:
    """Enqueue `count` jobs over as many connections as there are `sends`, and print how many a second."""
    share = count // len(sends)

    async def one(send: Send) -> None:
        for _ in range(0, share, batch):
            await send([0.0] * batch)

    begun = time.perf_counter()
    await asyncio.gather(*[one(send) for send in sends])
    print(json.dumps({"rate": share * len(sends) / (time.perf_counter() - begun)}), flush=True)


async def fed(send: Send, *, rate: float, seconds: float) -> None:
    """Enqueue single jobs as a Poisson process of `rate` a second."""
    clock = asyncio.get_running_loop().time
    end, due = clock() + seconds, clock()
    count, pending = 0, set[asyncio.Task[None]]()
    while due < end:
        await asyncio.sleep(max(0.0, due - clock()))
        task = asyncio.ensure_future(send([time.time()]))
        pending.add(task)
        task.add_done_callback(pending.discard)
        count += 1
        due += random.expovariate(rate)
    await asyncio.gather(*pending)
    print(json.dumps({"sent": count}), flush=True)


def arguments() -> list[str]:
    return sys.argv[1:]
