"""pgqueuer doing the same no-op work. Usage: with_pgqueuer.py install|work|put|feed URL …"""

from datetime import timedelta
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver

from bench.engines import common
from bench.engines.common import Tally

BATCH = 1000


async def work(url: str, tally: Tally) -> None:
    pool = await asyncpg.create_pool(url, min_size=2, max_size=4)
    queuer = PgQueuer(AsyncpgPoolDriver(pool))

    @queuer.entrypoint("noop")
    async def noop(job: Any) -> None:
        tally.note(float(job.payload or 0))

    await queuer.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=1), max_concurrent_tasks=4 * BATCH)


def sender(connection: Any) -> common.Send:
    queries = Queries(AsyncpgDriver(connection))

    async def send(times: list[float]) -> None:
        await queries.enqueue(["noop"] * len(times), [str(one).encode() for one in times], [0] * len(times))

    return send


async def main(verb: str, url: str, *rest: str) -> None:
    if verb == "install":
        connection = await asyncpg.connect(url)
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()
    elif verb == "work":
        await common.worked(lambda tally: work(url, tally))
    else:
        await _send(verb, url, *map(float, rest))


async def _send(verb: str, url: str, first: float, second: float, connections: float = 1) -> None:
    if verb == "put":
        opened = [await asyncpg.connect(url) for _ in range(int(connections))]
        await common.filled([sender(one) for one in opened], count=int(first), batch=int(second))
        return
    pool = await asyncpg.create_pool(url, min_size=2, max_size=8)
    queries = Queries(AsyncpgPoolDriver(pool))

    async def send(times: list[float]) -> None:
        await queries.enqueue("noop", str(times[0]).encode())

    await common.fed(send, rate=first, seconds=second)


if __name__ == "__main__":
    uvloop.run(main(*common.arguments()))
