"""How soon what a killed worker ran starts elsewhere."""

import asyncio
import time
from typing import Any

import asyncpg

from app.kernel.server import LocalServer
from bench.engines.driving import OURS, Crew, Place, killed, place, said, start
from bench.engines.tables import percentile, table

KILLS = 30
RUNNING = """
SELECT w.pid FROM runtime_commands c JOIN runtime_workers w ON w.id = c.worker_id
WHERE c.id = $1 AND c.state = 'running' AND c.attempt = $2
"""
END = "UPDATE runtime_commands SET state = 'canceled', finished_at = callboard_now() WHERE id = $1"


async def recovered(local: LocalServer) -> str:
    at = await place(local, OURS, "recovery", rivals=None)
    workers = Crew()
    connection = await asyncpg.connect(at.admin_url)
    try:
        for _ in range(3):
            workers.processes.append(await worker(at))
        spent = [await _killed(at, connection, workers) for _ in range(KILLS)]
    finally:
        await killed(workers.processes)
        await connection.close()
    row = [f"{1000 * percentile(spent, share):.0f}" for share in (0.5, 0.99)]
    return table(f"`kill -9` → running elsewhere, {KILLS} kills", ["", "p50 ms", "p99 ms"], [["callboard", *row]])


async def worker(at: Place) -> Any:
    process = await start(at, "work")
    await process.stdout.readline()
    return process


async def _killed(at: Place, connection: Any, workers: Crew) -> float:
    command_id = (await said(at, "hold"))["id"]
    pid = await _pid(connection, command_id, 1)
    [victim] = [process for process in workers.processes if process.pid == pid]
    victim.kill()
    begun = time.perf_counter()
    await _pid(connection, command_id, 2)
    spent = time.perf_counter() - begun
    await victim.wait()
    workers.processes.remove(victim)
    await connection.execute(END, command_id)
    workers.processes.append(await worker(at))
    return spent


async def _pid(connection: Any, command_id: str, attempt: int) -> int:
    async with asyncio.timeout(30):
        while (pid := await connection.fetchval(RUNNING, command_id, attempt)) is None:  # noqa: ASYNC110 only the database knows
            await asyncio.sleep(0.002)
    return int(pid)
