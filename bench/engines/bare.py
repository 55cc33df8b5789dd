"""The least that could work: a SKIP LOCKED loop with attempt rows. Usage: bare.py install|work|put|feed URL …"""

import asyncio
from typing import Any

import asyncpg
import uvloop

from bench.engines import common
from bench.engines.common import Tally

BATCH = 100
POLL_SECONDS = 0.5
TABLES = """
CREATE TABLE bare_commands (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL DEFAULT 'queued',
    attempt int NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(), sent float8 NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}');
CREATE INDEX bare_due ON bare_commands (run_at, id) WHERE state = 'queued';
CREATE TABLE bare_attempts (command_id bigint, attempt int, started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz, PRIMARY KEY (command_id, attempt));
"""
CLAIM = """
WITH picked AS (SELECT id FROM bare_commands WHERE state = 'queued' AND run_at <= now() ORDER BY run_at, id LIMIT $1
    FOR UPDATE SKIP LOCKED
), claimed AS (UPDATE bare_commands c SET state = 'running', attempt = c.attempt + 1 FROM picked p WHERE c.id = p.id
    RETURNING c.id, c.attempt, c.sent, c.payload
), started AS (INSERT INTO bare_attempts (command_id, attempt) SELECT id, attempt FROM claimed)
SELECT id, attempt, sent, payload FROM claimed
"""
FINISH = """
WITH closed AS (UPDATE bare_commands SET state = 'succeeded' WHERE id = ANY($1) AND state = 'running' RETURNING id, attempt)
UPDATE bare_attempts t SET completed_at = now() FROM closed c WHERE t.command_id = c.id AND t.attempt = c.attempt
"""
PUT = "INSERT INTO bare_commands (sent) SELECT unnest($1::float8[])"
WAKE = "SELECT pg_notify('bare_work', '')"


async def work(url: str, tally: Tally) -> None:
    connection, listening = await asyncpg.connect(url), await asyncpg.connect(url)
    stirred = asyncio.Event()
    await listening.add_listener("bare_work", lambda *_: stirred.set())
    while True:
        stirred.clear()
        while rows := await connection.fetch(CLAIM, BATCH):
            for row in rows:
                tally.note(row["sent"])
            await connection.execute(FINISH, [row["id"] for row in rows])
        try:
            await asyncio.wait_for(stirred.wait(), POLL_SECONDS)
        except TimeoutError:
            continue


async def main(verb: str, url: str, *rest: str) -> None:
    if verb == "install":
        connection = await asyncpg.connect(url)
        await connection.execute(TABLES)
        await connection.close()
    elif verb == "work":
        await common.worked(lambda tally: work(url, tally))
    else:
        await _send(verb, url, *map(float, rest))


async def _send(verb: str, url: str, first: float, second: float, connections: float = 1) -> None:
    opened = [await asyncpg.connect(url) for _ in range(int(connections))]

    def sender(connection: Any) -> common.Send:
        async def send(times: list[float]) -> None:
            await connection.execute(PUT, times)

        return send

    if verb == "put":
        await common.filled([sender(one) for one in opened], count=int(first), batch=int(second))
        return
    pool = await asyncpg.create_pool(url, min_size=2, max_size=8)

    async def send(times: list[float]) -> None:
        async with pool.acquire() as connection:
            await connection.execute(PUT, times)
            await connection.execute(WAKE)

    await common.fed(send, rate=first, seconds=second)


if __name__ == "__main__":
    uvloop.run(main(*common.arguments()))
