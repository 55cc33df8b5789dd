"""An MCP tool call against the same verb over HTTP, in the same process of the product.

Run: python -m bench.mcp [SECONDS]
"""

import asyncio
import statistics
import sys
from typing import Any
from uuid import UUID

import msgspec
import uvloop

from app import main
from app.kernel.db import Database
from app.tasks import assigning
from app.tasks.schemas import NewTask
from bench import processes, stage
from bench.http import BUSY, ROUNDS, Requests, dealt, loaded
from bench.load import Plan
from bench.stage import Board

WAYS = ("http", "mcp")
# The revision that needs no handshake.
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
Table = dict[str, dict[str, dict[str, float]]]


async def run(url: str, seconds: float = 5.0) -> Table:
    """Measure every verb both ways and answer medians: case, way, then rate, p50_ms and p99_ms."""
    async with main.opened(stage.settings_of(url), size=4) as database:
        board = await stage.board(database, url, slug="bench-mcp", size=0)
        tasks = [await _task(database, board) for _ in range(BUSY)]
    cases = _cases(board, tasks)
    port = processes.free_port()
    environment = {"DATABASE_URL": url, "CALLBOARD_PORT": str(port), "CALLBOARD_LOG_LEVEL": "warning"}
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    async with processes.running("app", "serve", port=port, **environment):
        for ways in cases.values():
            await _check(port, ways["mcp"][0][0])
        for _ in range(ROUNDS):
            for case, ways in cases.items():
                for way in WAYS:
                    measured = await loaded(Plan(port, seconds, ways[way]), name=f"{way} {case}")
                    seen.setdefault((case, way), []).append(measured)
    table = {case: {way: _median(seen[case, way]) for way in WAYS} for case in cases}
    for case, row in table.items():
        # Of each round by itself, since the machine is not equally busy in all of them.
        pairs = zip(*(seen[case, way] for way in WAYS), strict=True)
        row["mcp"]["ratio"] = statistics.median(mcp["rate"] / http["rate"] for http, mcp in pairs)
    print(markdown(table), flush=True)
    return table


def markdown(table: Table) -> str:
    """The table of a run, rates in calls a second."""
    lines = ["| verb | HTTP/s | p50 ms | p99 ms | MCP/s | p50 ms | p99 ms | ratio |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for case, row in table.items():
        cells = [f"{row[way]['rate']:,.0f} | {row[way]['p50_ms']:.1f} | {row[way]['p99_ms']:.1f}" for way in WAYS]
        lines.append(f"| {case} | {' | '.join(cells)} | {row['mcp']['ratio']:.2f} |")
    return "\n".join(lines)


def _median(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in runs) for name in ("rate", "p50_ms", "p99_ms")}


async def _check(port: int, request: bytes) -> None:
    """A refused tool call is a success to HTTP, so that the load generator would count it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0]))
    writer.close()
    if msgspec.json.decode(body)["result"].get("isError"):
        raise RuntimeError(f"the call is refused: {body.decode()}")


async def _task(database: Database, board: Board) -> UUID:
    asked = NewTask(title=stage.TITLE, assignee_slugs=[stage.WORKER])
    async with database.transaction(board.account_id, origin=stage.ORIGIN) as tx:
        return (await assigning.create(tx, board.person.principal, asked)).id


def _cases(board: Board, tasks: list[UUID]) -> dict[str, dict[str, Requests]]:
    shown = [{"task_id": task} for task in tasks]
    words = [{"task_id": task, "content": stage.CONTENT} for task in tasks]
    token = board.agent.token
    bodies: dict[str, list[dict[str, Any]]] = {"task-load": shown, "task-message": words}
    return {
        verb: {
            "http": dealt([[_request(f"/agent/{verb}", token, body)] * 2 for body in asked]),
            "mcp": dealt([[_call(verb.replace("-", "_"), token, body)] * 2 for body in asked]),
        }
        for verb, asked in bodies.items()
    }


def _call(tool: str, token: str, arguments: Any) -> bytes:
    params = {"name": tool, "arguments": arguments, "_meta": META}
    said = {"mcp-protocol-version": VERSION, "mcp-method": "tools/call", "mcp-name": tool}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return _request("/mcp", token, message, **said)


def _request(path: str, token: str, body: Any, **headers: str) -> bytes:
    content = msgspec.json.encode(body)
    own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: board\r\nauthorization: Bearer {token}\r\n{own}"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def _alone(seconds: float) -> None:
    with processes.cluster() as local:
        url, _ = await processes.database(local, "bench_mcp")
        await run(url, seconds)


if __name__ == "__main__":
    uvloop.run(_alone(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
