"""Callboard's own runtime. Usage: python -m bench.engines.ours install|work|put|feed SERVICE_URL|ADMIN_URL …"""

import asyncio
import json
import os
import random
from uuid import UUID, uuid4

import asyncpg
import uvloop

from app.kernel import db
from app.kernel.db import Database
from app.kernel.types import Origin
from app.kernel.wake import Wakes
from app.runtime.handlers import Attempt
from app.runtime.service import Order, enqueue
from app.runtime.taxonomy import command
from app.runtime.types import Idempotency
from app.runtime.worker import Worker
from bench.engines import common
from bench.engines.common import Tally

ORIGIN = Origin(request_id="bench", correlation_id="bench", source="bench")
ACCOUNT = UUID(int=1)
NOOP, HOLD, EFFECT = "bench.noop", "bench.hold", "bench.effect"
SLOTS = int(os.environ.get("BENCH_SLOTS", "400"))
INSTALL = f"""
INSERT INTO accounts (id, slug, name, version) VALUES ('{ACCOUNT}', 'bench', 'Bench', 1);
INSERT INTO event_counters (account_id) VALUES ('{ACCOUNT}');
INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)
VALUES ('{ACCOUNT}', 'queue.control.most', '0', 1, 'a backlog without end', 'system'),
       ('{ACCOUNT}', 'queue.outbound.most', '0', 1, 'a backlog without end', 'system');
"""
EFFECTS = """
CREATE TABLE effects (place bigint GENERATED ALWAYS AS IDENTITY, account_id uuid, command_id uuid, lane_id uuid, lane_seq bigint);
CREATE INDEX ON effects (command_id);
GRANT INSERT, SELECT ON effects TO callboard_app
"""
LEAVE = "INSERT INTO effects (account_id, command_id, lane_id, lane_seq) VALUES ($1, $2, $3, $4) RETURNING 1"
tallies = [Tally()]


@command(NOOP, payload=dict, owner="bench", idempotency=Idempotency.CALLER, is_submittable=True)
async def noop(attempt: Attempt) -> None:
    """Nothing."""
    text = attempt.claim.payload
    tallies[0].note(float(text[9:-1]) if text != b"{}" else 0.0)


@command(HOLD, payload=dict, owner="bench", idempotency=Idempotency.CALLER, is_submittable=True)
async def hold(_attempt: Attempt) -> None:
    """Work until killed."""
    await asyncio.sleep(3600)


@command(EFFECT, payload=dict, owner="bench", idempotency=Idempotency.CALLER, is_submittable=True)
async def effect(attempt: Attempt) -> None:
    """Leave one row behind."""
    claim = attempt.claim
    await asyncio.sleep(random.uniform(0, 0.15))
    async with attempt.transaction() as tx:
        await tx.value(LEAVE, claim.account_id, claim.id, claim.lane_id, claim.lane_seq)
        attempt.finish(tx)


async def work(url: str, tally: Tally) -> None:
    tallies[0] = tally
    wakes = Wakes(lambda: db.direct(url, role=db.RUNTIME_ROLE))
    running = asyncio.ensure_future(wakes.run())
    async with db.opened(url, size=4, wakes=wakes, subscribers={}) as database:
        try:
            await Worker(database, url, handlers={NOOP: noop, HOLD: hold, EFFECT: effect}, slots=SLOTS).run(asyncio.Event())
        finally:
            running.cancel()


def sender(database: Database) -> common.Send:
    async def send(times: list[float]) -> None:
        async with database.transaction(ACCOUNT, origin=ORIGIN) as tx:
            for sent in times:
                payload = {"sent": sent} if sent else {}
                enqueue(tx, Order(type=NOOP, idempotency_key=uuid4().hex, payload=payload), actor=None)

    return send


async def _effects(database: Database, many: int, lanes: int) -> None:
    """A quarter of them in lanes, whose order is to be kept."""
    ids = [uuid4() for _ in range(lanes)]
    for start in range(0, many, 500):
        async with database.transaction(ACCOUNT, origin=ORIGIN) as tx:
            for place in range(start, min(start + 500, many)):
                lane_id = ids[place // 4 % lanes] if place % 4 == 0 else None
                enqueue(tx, Order(type=EFFECT, idempotency_key=str(place), payload={}, lane_id=lane_id), actor=None)


async def main(verb: str, url: str, *rest: str) -> None:
    if verb == "install":
        connection = await asyncpg.connect(db.plain(url))
        await connection.execute(INSTALL)
        await connection.close()
    elif verb == "work":
        await common.worked(lambda tally: work(url, tally))
    else:
        await _send(verb, url, *map(float, rest))


async def _send(verb: str, url: str, first: float = 0, second: float = 0, connections: float = 1) -> None:
    wakes = Wakes(lambda: db.direct(url, role=db.RUNTIME_ROLE))
    running = asyncio.ensure_future(wakes.run())
    async with db.opened(url, size=int(connections) if verb == "put" else 8, wakes=wakes, subscribers={}) as database:
        if verb == "hold":
            async with database.transaction(ACCOUNT, origin=ORIGIN) as tx:
                held = enqueue(tx, Order(type=HOLD, idempotency_key=uuid4().hex, payload={}), actor=None)
            await asyncio.sleep(0.05)
            await wakes.drain()
            print(json.dumps({"id": str(held)}), flush=True)
        elif verb == "effects":
            await _effects(database, int(first), int(second))
        elif verb == "put":
            await common.filled([sender(database)] * int(connections), count=int(first), batch=int(second))
        else:
            await common.fed(sender(database), rate=first, seconds=second)
            await wakes.drain()
    running.cancel()


if __name__ == "__main__":
    uvloop.run(main(*common.arguments()))
