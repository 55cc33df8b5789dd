"""What a crew's deliveries cost: how many a second, and what a thousand in flight take.

Run: python -m bench.deliveries [SECONDS]; it starts a database of its own, takes about five minutes and writes
`bench/deliveries.md`.
"""

import asyncio
import os
import platform
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from app import main
from app.delivery import render, specimens
from app.kernel import db
from app.kernel.db import Database
from app.messages import service as messages
from bench import delivery, processes, stage
from bench.stage import ORIGIN, Board

RESULTS = Path(__file__).with_name("deliveries.md")
TASKS, EACH = 100, 40
IN_FLIGHT, THINKS_SECONDS = 1000, 30.0
RENDERS = 5
PATIENCE = 240.0
WIDE = {"limit.agent.most": 1000, "limit.dependency.most": 10_000, "queue.outbound.most": 0}
SET = """INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)
    SELECT $1, $2, to_jsonb($3::int), 1, 'bench', 'system'"""
ENDED = """SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND account_id = $1 AND state = 'delivered'
    AND type = 'mention'"""


class Thinking:
    """A gateway that counts, and answers after `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.arrived = 0
        self.inside = 0
        self.most = 0
        self.full = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, rest = head.lower().partition(b"content-length:")
                length = int(rest.split(b"\r\n", 1)[0] or 0)
                await reader.readexactly(length)
                # A look whether it is there brings no body.
                if length:
                    await self._think()
                writer.write(delivery.REPLY)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _think(self) -> None:
        self.arrived += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside >= IN_FLIGHT:
            self.full.set()
        await asyncio.sleep(self.seconds)
        self.inside -= 1


@asynccontextmanager
async def listening(gateway: Thinking) -> AsyncIterator[str]:
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, backlog=2000)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def sustained(url: str, admin: Any, *, workers: int) -> float:
    """Deliveries a second to a gateway that answers at once, from a backlog over a hundred sessions."""
    gateway = Thinking()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(listening(gateway))
        database = await stack.enter_async_context(main.opened(stage.settings_of(url), size=8))
        board = await stage.board(database, url, slug=f"bench-{workers}", size=TASKS, gateway_url=place)
        await _widen(admin, board)
        await _post(database, board, each=EACH)
        for _ in range(workers):
            await stack.enter_async_context(_worker(url))
        begun = await _when(admin, board, 1)
        ended = await _when(admin, board, TASKS * EACH)
        return TASKS * EACH / (ended - begun)


async def flight(url: str, admin: Any) -> dict[str, float]:
    """A thousand sessions whose agents think for half a minute: memory of the worker, and connections to the database."""
    gateway = Thinking(THINKS_SECONDS)
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(listening(gateway))
        database = await stack.enter_async_context(main.opened(stage.settings_of(url), size=8))
        board = await stage.board(database, url, slug="bench-flight", size=IN_FLIGHT, gateway_url=place)
        await _widen(admin, board)
        before = await _connections(admin)
        process = await stack.enter_async_context(_worker(url, CALLBOARD_WORKER_SLOTS="1000"))
        await asyncio.sleep(3)
        idle = _resident(process)
        await _post(database, board, each=1)
        await asyncio.wait_for(gateway.full.wait(), PATIENCE)
        full, connections = _resident(process), await _connections(admin) - before
        await _when(admin, board, IN_FLIGHT)
    return {"idle_mib": idle, "full_mib": full, "connections": connections, "in_flight": gateway.most}


def rendered() -> dict[str, tuple[float, float]]:
    """Microseconds and kilobytes of a prompt: the median over every kind and role with all there can be, and the longest."""
    full = [one.context for one in specimens.specimens() if one.name.endswith("full")]
    longest = [one.context for one in specimens.longest()]
    return {"median of every kind and role": _rendered(full), "the longest there can be": _rendered(longest)}


def _rendered(contexts: list[Any]) -> tuple[float, float]:
    taken, sizes = [], []
    for context in contexts * RENDERS:
        begun = time.perf_counter()
        prompt = render.render(context, token=lambda: secrets.token_hex(8))
        taken.append(time.perf_counter() - begun)
        sizes.append(prompt.size)
    return statistics.median(taken) * 1e6, statistics.median(sizes) / 1024


async def _widen(admin: Any, board: Board) -> None:
    for name, most in WIDE.items():
        await admin.execute(SET, board.account_id, name, most)


async def _post(database: Database, board: Board, *, each: int) -> None:
    who = board.person.principal
    for number in range(each):
        for task_id in board.tasks:
            async with database.transaction(board.account_id, origin=ORIGIN) as tx:
                await messages.post(tx, who, task_id, f"@{stage.WORKER} message {number}")


async def _when(admin: Any, board: Board, many: int) -> float:
    """The moment at which so many were delivered."""
    async with asyncio.timeout(PATIENCE):
        # The database tells nobody outside.
        while await admin.fetchval(ENDED, board.account_id) < many:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return time.perf_counter()


async def _connections(admin: Any) -> int:
    found: int = await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    return found


def _resident(process: int) -> float:
    """MiB of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def _worker(url: str, **environment: str) -> AsyncIterator[int]:
    async with processes.running("app", "worker", DATABASE_URL=url, CALLBOARD_LOG_LEVEL="warning", **environment) as process:
        yield process


async def _alone(seconds: float) -> None:
    with processes.cluster() as local:
        latency = await delivery.run((await processes.database(local, "bench_delivery"))[0], seconds)
        rates: dict[int, float] = {}
        for workers in (1, 4):
            found = [await _measured(local, f"bench_rate_{workers}_{turn}", workers) for turn in range(3)]
            rates[workers] = statistics.median(found)
        url, admin_url = await processes.database(local, "bench_flight")
        admin = await asyncpg.connect(db.plain(admin_url))
        try:
            flown = await flight(url, admin)
        finally:
            await admin.close()
    text = _page(latency, rates, flown, rendered())
    RESULTS.write_text(text)
    print(text)


async def _measured(local: Any, name: str, workers: int) -> float:
    url, admin_url = await processes.database(local, name)
    admin = await asyncpg.connect(db.plain(admin_url))
    try:
        return await sustained(url, admin, workers=workers)
    finally:
        await admin.close()


def _page(
    latency: dict[str, dict[str, float]],
    rates: dict[int, float],
    flown: dict[str, float],
    prompts: dict[str, tuple[float, float]],
) -> str:
    rows = "\n".join(f"| {workers} | {rate:,.0f} |" for workers, rate in rates.items())
    made = "\n".join(f"| {name} | {size:.1f} | {micros:,.0f} |" for name, (micros, size) in prompts.items())
    return f"""# Deliveries

Written by `python -m bench.deliveries`. {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}; load
average {os.getloadavg()[1]:.1f}. Load generator, gateway, workers and database share the cores.

{delivery.markdown(latency)}

| workers | deliveries a second to a gateway that answers at once ({TASKS * EACH:,} over {TASKS} sessions, median of 3) |
|---:|---:|
{rows}

{flown["in_flight"]:,.0f} sessions in flight with a gateway that takes {THINKS_SECONDS:.0f} s, one worker of 1,000 slots: memory
{flown["idle_mib"]:.0f} MiB idle, {flown["full_mib"]:.0f} MiB full; {flown["connections"]:.0f} connections to the database.

| prompt | KiB | rendered in µs (p50) |
|---|---:|---:|
{made}

All deliveries of one account share the row that counts how many calls run through its gateways at once, and the one that numbers
its events: each is held from the last statement of a run until its commit is on the disk. That, and not the number of workers,
bounds the rate of one account.
"""


if __name__ == "__main__":
    uvloop.run(_alone(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
