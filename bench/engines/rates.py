"""How quickly no-op work drains and comes in."""

from typing import Any

from app.kernel.server import LocalServer
from bench.engines.driving import Engine, Place, crew, emptied, place, said
from bench.engines.tables import table

JOBS = 20_000
# What one job at a time can do in a bearable time.
FEW_JOBS = 4_000
ROUNDS = 3
SLOW = {"procrastinate"}


async def drained(local: LocalServer, engines: list[Engine], rivals: str | None) -> str:
    rows: list[list[Any]] = []
    best: dict[tuple[str, int], float] = {}
    for many in (1, 4):
        for turn in range(ROUNDS):
            for engine in engines:
                at = await place(local, engine, f"drain_{engine.module}_{many}_{turn}", rivals=rivals)
                key = (engine.name, many)
                best[key] = max(best.get(key, 0.0), await _drained(at, many))
    for engine in engines:
        row: list[Any] = [engine.name]
        for many in (1, 4):
            rate = best[engine.name, many]
            row += [f"{rate:,.0f}", f"{rate / best['bare', many]:.2f}"]
        rows.append(row)
    names = ["engine", "1 process, jobs/s", "ratio to bare", "4 processes, jobs/s", "ratio to bare"]
    return table("Drain of no-op commands", names, rows)


async def _drained(at: Place, many: int) -> float:
    jobs = FEW_JOBS if at.engine.name in SLOW else JOBS
    await said(at, "put", str(jobs), "1000")
    async with crew(at, many) as workers:
        await emptied(at)
    begun = min(one["first"] for one in workers.done if one["done"])
    ended = max(one["last"] for one in workers.done)
    done = sum(one["done"] for one in workers.done)
    if done != jobs:
        raise RuntimeError(f"{at.engine.name} did {done} of {jobs} jobs")
    return jobs / (ended - begun)


async def enqueued(local: LocalServer, engines: list[Engine], rivals: str | None) -> str:
    cases = (("single, 1 connection", 2_000, 1, 1), ("single, 8 connections", 8_000, 1, 8), ("batches of 1,000", 40_000, 1000, 1))
    rates: dict[tuple[str, str], float] = {}
    for engine in engines:
        at = await place(local, engine, f"put_{engine.module}", rivals=rivals)
        for name, count, batch, connections in cases:
            for _ in range(ROUNDS):
                given = await said(at, "put", str(count), str(batch), str(connections))
                rates[engine.name, name] = max(rates.get((engine.name, name), 0.0), given["rate"])
    rows = []
    for engine in engines:
        row: list[Any] = [engine.name]
        for name, *_ in cases:
            row += [f"{rates[engine.name, name]:,.0f}", f"{rates[engine.name, name] / rates['bare', name]:.2f}"]
        rows.append(row)
    return table("Enqueueing", ["engine", *[column for name, *_ in cases for column in (f"{name}, a second", "ratio")]], rows)
