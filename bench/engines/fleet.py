"""Latency from enqueue to start while idle, and what a fleet costs the database."""

import asyncio
from typing import Any

import asyncpg

from app.kernel.server import LocalServer
from bench.engines.driving import Engine, Place, crew, emptied, place, said
from bench.engines.tables import percentile, table

SECONDS = 12.0
RATES = (50, 300)
FLEET = 16
COMMITS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
# Statistics of other sessions arrive a second late.
SETTLE_SECONDS = 2.0


async def latencies(local: LocalServer, engines: list[Engine], rivals: str | None) -> str:
    rows = []
    for engine in engines:
        row: list[Any] = [engine.name]
        for rate in RATES:
            at = await place(local, engine, f"idle_{engine.module}_{rate}", rivals=rivals)
            found, _ = await _fed(at, rate, many=1)
            row += [f"{1000 * percentile(found, 0.5):.1f}", f"{1000 * percentile(found, 0.99):.1f}"]
        rows.append(row)
    names = ["engine", *[f"{rate}/s {part} ms" for rate in RATES for part in ("p50", "p99")]]
    return table("Enqueue → start, one idle worker", names, rows)


async def transactions(local: LocalServer, engines: list[Engine], rivals: str | None) -> str:
    rows = []
    for engine in engines:
        row: list[Any] = [engine.name]
        for rate in RATES:
            at = await place(local, engine, f"fleet_{engine.module}_{rate}", rivals=rivals)
            found, commits = await _fed(at, rate, many=FLEET)
            row += [
                f"{commits / max(len(found), 1):.1f}",
                f"{1000 * percentile(found, 0.5):.1f}",
                f"{1000 * percentile(found, 0.99):.1f}",
            ]
        rows.append(row)
    names = ["engine", *[f"{rate}/s {part}" for rate in RATES for part in ("transactions a job", "p50 ms", "p99 ms")]]
    return table(f"{FLEET} worker processes", names, rows, "The transactions that enqueue are counted: one a job.")


async def _fed(at: Place, rate: int, *, many: int) -> tuple[list[float], int]:
    """Latencies in seconds, and the transactions that the database counted meanwhile."""
    connection = await asyncpg.connect(at.admin_url)
    try:
        async with crew(at, many, BENCH_SLOTS="50") as workers:
            await asyncio.sleep(SETTLE_SECONDS)
            before = await connection.fetchval(COMMITS)
            await said(at, "feed", str(rate), str(SECONDS))
            await asyncio.sleep(SETTLE_SECONDS)
            after = await connection.fetchval(COMMITS)
            await emptied(at)
    finally:
        await connection.close()
    return [latency for one in workers.done for latency in one["latencies"]], after - before
