"""How quickly no-op commands drain, as a ratio to a bare SKIP LOCKED loop with attempt rows in the same run.

Run: python -m bench.drain SERVICE_URL ADMIN_URL [COUNT]; the database must be migrated, and rows are left in it.
"""

import asyncio
import sys
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop

from app.kernel import db
from app.kernel.db import Database
from app.kernel.types import Origin
from app.kernel.wake import Wakes
from app.runtime.handlers import Attempt
from app.runtime.service import Order, enqueue
from app.runtime.worker import Worker

ORIGIN = Origin(request_id="bench", correlation_id="bench", source="bench")
BATCH = 100
LANES = 400
ROUNDS = 3
SLOTS = 400
ACCOUNT = "INSERT INTO accounts (id, slug, name, version) VALUES ($1, $2, 'Bench', 1)"
BARE_TABLES = """
DROP TABLE IF EXISTS bare_attempts, bare_commands;
CREATE TABLE bare_commands (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL DEFAULT 'queued',
    attempt int NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(), payload jsonb NOT NULL DEFAULT '{}');
CREATE INDEX ON bare_commands (run_at, id) WHERE state = 'queued';
CREATE TABLE bare_attempts (command_id bigint, attempt int, started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz, PRIMARY KEY (command_id, attempt));
"""
BARE_CLAIM = """
WITH picked AS (SELECT id FROM bare_commands WHERE state = 'queued' AND run_at <= now() ORDER BY run_at, id LIMIT $1
    FOR UPDATE SKIP LOCKED
), claimed AS (UPDATE bare_commands c SET state = 'running', attempt = c.attempt + 1 FROM picked p WHERE c.id = p.id
    RETURNING c.id, c.attempt, c.payload
), started AS (INSERT INTO bare_attempts (command_id, attempt) SELECT id, attempt FROM claimed)
SELECT id, attempt, payload FROM claimed
"""
BARE_FINISH = """
WITH closed AS (UPDATE bare_commands SET state = 'succeeded' WHERE id = ANY($1) AND state = 'running' RETURNING id, attempt)
UPDATE bare_attempts t SET completed_at = now() FROM closed c WHERE t.command_id = c.id AND t.attempt = c.attempt
"""


async def run(url: str, admin_url: str, count: int = 20_000) -> dict[str, float]:
    """Measure, print a table, and answer commands per second and the two ratios; of each the best of some rounds."""
    best = {"bare": 0.0, "commands": 0.0, "lanes": 0.0}
    wakes = Wakes(lambda: db.direct(url, role=db.APP_ROLE))
    running = asyncio.create_task(wakes.run())
    try:
        async with db.opened(url, size=8, wakes=wakes, subscribers={}) as database:
            for _ in range(ROUNDS):
                best["bare"] = max(best["bare"], await _bare(admin_url, count))
                for name, many in (("commands", 0), ("lanes", LANES)):
                    best[name] = max(best[name], await _drain(database, url, admin_url, count=count, lanes=many))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    _print(best)
    return best | {f"{name}_ratio": best[name] / best["bare"] for name in ("commands", "lanes")}


def _print(rates: dict[str, float]) -> None:
    print("| drain | per second | ratio to bare |\n|---|---:|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {rate / rates['bare']:.2f} |")


async def _bare(admin_url: str, count: int) -> float:
    connection = await asyncpg.connect(db.plain(admin_url))
    try:
        await connection.execute(BARE_TABLES)
        await connection.execute("INSERT INTO bare_commands (payload) SELECT '{}' FROM generate_series(1, $1)", count)
        await connection.execute("ANALYZE bare_commands")
        begun = time.perf_counter()
        while rows := await connection.fetch(BARE_CLAIM, BATCH):
            await connection.execute(BARE_FINISH, [row["id"] for row in rows])
        return count / (time.perf_counter() - begun)
    finally:
        await connection.close()


async def _drain(database: Database, url: str, admin_url: str, *, count: int, lanes: int) -> float:
    account_id = await _account(admin_url)
    ids: list[UUID | None] = [uuid4() for _ in range(lanes)] or [None]
    for start in range(0, count, 1000):
        async with database.transaction(account_id, origin=ORIGIN) as tx:
            for place in range(start, min(start + 1000, count)):
                order = Order(type="bench.noop", idempotency_key=str(place), payload={}, lane_id=ids[place % len(ids)])
                enqueue(tx, order, actor=None)
    return await _worked(database, url, count)


async def _worked(database: Database, url: str, count: int) -> float:
    done = 0
    stop = asyncio.Event()

    async def noop(_attempt: Attempt) -> None:
        nonlocal done
        done += 1
        if done == count:
            stop.set()

    begun = time.perf_counter()
    await Worker(database, url, handlers={"bench.noop": noop}, slots=SLOTS).run(stop)
    return count / (time.perf_counter() - begun)


async def _account(admin_url: str) -> Any:
    account_id = uuid4()
    connection = await asyncpg.connect(db.plain(admin_url))
    try:
        await connection.execute(
            "INSERT INTO accounts (id, slug, name, version) VALUES ($1, $2, 'Bench', 1)", account_id, account_id.hex
        )
        await connection.execute("INSERT INTO event_counters (account_id) VALUES ($1)", account_id)
    finally:
        await connection.close()
    return account_id


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 20_000))
