"""From the commit of a person's message to the arrival of the prompt at a local gateway, idle and behind a backlog.

Run: python -m bench.delivery [SECONDS]; it starts a database of its own.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import uvloop

from app import main
from app.kernel.db import Database
from app.messages import service as messages
from bench import processes, stage
from bench.stage import ORIGIN, Board

# The engineer and the orchestrator each have a session on every task, and hear every message.
AGENTS = 2
SESSIONS = 20
QUEUED = 1000
PROBES = 8
PAUSE = 0.05
BUSY_SECONDS = 0.2
PATIENCE = 120.0
ANSWER = (
    b'{"object":"response","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"NO_REPLY"}]}]}'
)
AGENT = b"x-openclaw-agent-id: engineer"
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)


class Gateway:
    """Notes when a prompt with an awaited mark arrives; prompts of the backlog are answered slowly, as an agent would."""

    def __init__(self) -> None:
        self.arrived = 0
        self.behind = 0
        self.opened = asyncio.Event()
        self._awaited: dict[bytes, asyncio.Future[float]] = {}

    def expect(self, mark: str) -> asyncio.Future[float]:
        """When a prompt that holds `mark` arrives first."""
        future = asyncio.get_running_loop().create_future()
        self._awaited[mark.encode()] = future
        return future

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                at = time.perf_counter()
                _, _, rest = head.lower().partition(b"content-length:")
                # A look whether it is there brings no body.
                body = await reader.readexactly(int(rest.split(b"\r\n", 1)[0] or 0))
                self._note(head, body, at)
                if b"backlog-" in body:
                    self.behind += 1
                    await self.opened.wait()
                    await asyncio.sleep(BUSY_SECONDS)
                writer.write(REPLY)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _note(self, head: bytes, body: bytes, at: float) -> None:
        self.arrived += 1
        if AGENT in head.lower():
            for mark in [mark for mark in self._awaited if mark in body]:
                self._awaited.pop(mark).set_result(at)


async def run(url: str, seconds: float = 30.0) -> dict[str, dict[str, float]]:
    """Milliseconds from commit to arrival, idle and with a backlog in other sessions."""
    gateway = Gateway()
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
        stack.push_async_callback(_closed, server)
        place = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        database = await stack.enter_async_context(main.opened(stage.settings_of(url), size=8))
        probed = await stage.board(database, url, slug="bench-probed", size=PROBES, gateway_url=place)
        behind = await stage.board(database, url, slug="bench-behind", size=SESSIONS // AGENTS, gateway_url=place)
        await stack.enter_async_context(_worker(url))
        await _quiet(gateway)
        table = {"idle": _summary(await _probed(database, gateway, probed, seconds=seconds, name="idle"))}
        await _queue(database, behind)
        gateway.opened.set()
        found = await _probed(database, gateway, probed, seconds=_drain_seconds(), name="busy")
        table[f"{QUEUED:,} queued in {SESSIONS} other sessions"] = _summary(found)
        print(f"{gateway.behind} prompts of the backlog had arrived when the last probe did")
    print(markdown(table), flush=True)
    return table


def markdown(table: dict[str, dict[str, float]]) -> str:
    """The table of a run."""
    lines = ["| commit of a message → request at the gateway | probes | p50 ms | p99 ms |", "|---|---:|---:|---:|"]
    for name, row in table.items():
        lines.append(f"| {name} | {row['probes']:.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} |")
    return "\n".join(lines)


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"probes": len(seconds), "p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000}


def _drain_seconds() -> float:
    # Most of what the backlog takes, so that the last probe still runs beside it.
    return QUEUED / SESSIONS * BUSY_SECONDS * 0.9


async def _probed(database: Database, gateway: Gateway, board: Board, *, seconds: float, name: str) -> list[float]:
    """One message after the other, each to the next of the board's sessions."""
    taken: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        mark = f"probe-{name}-{len(taken):06}"
        arrival = gateway.expect(mark)
        committed = await _said(database, board, board.tasks[len(taken) % PROBES], mark)
        taken.append(await asyncio.wait_for(arrival, PATIENCE) - committed)
        await asyncio.sleep(PAUSE)
    return taken


async def _queue(database: Database, board: Board) -> None:
    for number in range(QUEUED // AGENTS):
        await _said(database, board, board.tasks[number % len(board.tasks)], f"backlog-{number:06}")


async def _said(database: Database, board: Board, task_id: UUID, text: str) -> float:
    """Post as the owner; answers the moment behind COMMIT."""
    who = board.person.principal
    async with database.transaction(board.account_id, origin=ORIGIN) as tx:
        await messages.post(tx, who, task_id, f"@{stage.WORKER} {text}")
    return time.perf_counter()


async def _quiet(gateway: Gateway) -> None:
    """Wait until what the seeding caused has been delivered."""
    seen = -1
    while gateway.arrived != seen:
        seen = gateway.arrived
        await asyncio.sleep(3)


@asynccontextmanager
async def _worker(url: str) -> AsyncIterator[None]:
    async with processes.running("app", "worker", DATABASE_URL=url, CALLBOARD_LOG_LEVEL="warning"):
        yield


async def _closed(server: Any) -> None:
    server.close()
    await asyncio.sleep(0)


async def _alone(seconds: float) -> None:
    with processes.cluster() as local:
        url, _ = await processes.database(local, "bench_delivery")
        await run(url, seconds)


if __name__ == "__main__":
    uvloop.run(_alone(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
