"""What a long queue costs: a claim of ten and its end, with little waiting, a million ready, and a million deferred."""

import asyncio
import time
from typing import Any

import asyncpg

from app.kernel import db
from app.kernel.ids import new_id
from app.kernel.server import LocalServer
from app.runtime import closings, ledger
from app.runtime.queries import workers
from app.runtime.upkeep import worker_pool
from bench.engines import bare
from bench.engines.driving import BARE, OURS, Engine, Place, crew, place, said
from bench.engines.ours import ACCOUNT, NOOP
from bench.engines.tables import median, table

MILLION = 1_000_000
FEW = 2_000
CYCLES = 300
CLAIMED = 10
WINDOW_SECONDS = 6.0
FILL = f"""
INSERT INTO runtime_commands (account_id, id, type, profile, queue, state, prio, run_at, idempotency_key, payload, attempt, lost,
    released, waited, actor_kind, trigger_source, depth, request_id, correlation_id)
SELECT '{ACCOUNT}', gen_random_uuid(), '{NOOP}', 'standard_async', 'control', 'queued', 1,
    callboard_now() + make_interval(secs => $2) + make_interval(secs => n * 1e-6), gen_random_uuid()::text, '{{}}', 0, 0, 0, 0,
    'system', 'bench', 0, 'bench', 'bench'
FROM generate_series(1, $1) n
"""
FILL_BARE = """
INSERT INTO bare_commands (sent, run_at) SELECT 0, now() + make_interval(secs => $2) + make_interval(secs => n * 1e-6)
FROM generate_series(1, $1) n
"""
ANALYZE = {"callboard": "VACUUM ANALYZE runtime_commands", "bare": "VACUUM ANALYZE bare_commands"}
CASES: tuple[tuple[str, int, int], ...] = (
    ("2,000 ready", FEW, 0),
    ("1,000,000 ready", MILLION, 0),
    ("and 1,000,000 deferred", FEW, MILLION),
)


async def claims(local: LocalServer, engines: list[Engine], rivals: str | None) -> str:
    rows: list[list[Any]] = []
    for engine in (BARE, OURS):
        row: list[Any] = [f"{engine.name}: claim of {CLAIMED} and its end, p50 ms"]
        first = 0.0
        for place_in_row, (_, ready, deferred) in enumerate(CASES):
            at = await place(local, engine, f"claim_{engine.module}_{place_in_row}", rivals=None)
            await _filled(at, ready, deferred)
            spent = 1000 * await (_ours(at) if engine.is_ours else _bare(at))
            first = first or spent
            row.append(f"{spent:.2f} ({spent / first:.2f})")
        rows.append(row)
    rows += [await _rival(local, engine, rivals) for engine in engines if engine not in (BARE, OURS)]
    names = ["backlog", *[name for name, *_ in CASES]]
    return table("A backlog of a million", names, rows, "In brackets: as a ratio to 2,000 ready.")


async def _filled(at: Place, ready: int, deferred: int) -> None:
    connection = await asyncpg.connect(at.admin_url)
    fill = FILL if at.engine.is_ours else FILL_BARE
    try:
        # In the past, so that all of it is due at once.
        await connection.execute(fill, ready, -10.0, timeout=600)
        if deferred:
            await connection.execute(fill, deferred, 86_400.0, timeout=600)
        await connection.execute(ANALYZE[at.engine.name], timeout=600)
    finally:
        await connection.close()


async def _ours(at: Place) -> float:
    worker_id = new_id()
    holder = await db.direct(at.url, role=db.RUNTIME_ROLE)
    try:
        # The pool of workers tells the planner to go by keys.
        async with worker_pool(at.url) as pool:
            key = worker_id.int & (2**62 - 1)
            await holder.execute(workers.LOCK, key)
            await holder.execute(workers.REGISTER, worker_id, key, "bench", 1, "", 50)
            spent = []
            for _ in range(CYCLES // 2):
                begun = time.perf_counter()
                found = await ledger.claim_commands(pool, worker_id, wanted={1: CLAIMED})
                await ledger.close(pool, [closings.succeeded(claim, worker_id=worker_id) for claim, _ in found])
                spent.append(time.perf_counter() - begun)
            return median(spent)
    finally:
        holder.terminate()


async def _bare(at: Place) -> float:
    connection = await asyncpg.connect(at.admin_url)
    try:
        spent = []
        for _ in range(CYCLES // 2):
            begun = time.perf_counter()
            found = await connection.fetch(bare.CLAIM, CLAIMED)
            await connection.execute(bare.FINISH, [row["id"] for row in found])
            spent.append(time.perf_counter() - begun)
        return median(spent)
    finally:
        await connection.close()


async def _rival(local: LocalServer, engine: Engine, rivals: str | None) -> list[Any]:
    """Jobs a second of one worker in a short window, because its claims are not ours to call."""
    row: list[Any] = [f"{engine.name}: jobs/s of one worker"]
    first = 0.0
    for name, count in (("few", 100_000), ("many", MILLION)):
        at = await place(local, engine, f"claim_{engine.module}_{name}", rivals=rivals)
        await said(at, "put", str(count), "1000", "4")
        rate = await _windowed(at)
        first = first or rate
        row.append(f"{rate:,.0f} ({rate / first:.2f})")
    return [*row, ""]


async def _windowed(at: Place) -> float:

    async with crew(at, 1) as workers_:
        await asyncio.sleep(WINDOW_SECONDS)
    [one] = workers_.done
    return float(one["done"]) / max(one["last"] - one["first"], 1e-9)
