"""Requests a second of one API process against two baselines, in one run: median of interleaved rounds.

Run: python -m bench.http [SECONDS]; it starts a database of its own.
"""

import asyncio
import json
import pickle
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from app import main
from app.kernel.db import Database
from app.kernel.settings import ROOT
from bench import processes, stage
from bench.load import Plan
from bench.stage import Board

CONNECTIONS = 16
TASKS = 1000
BUSY = 64
ACCOUNTS = 50
EACH = 4
ROUNDS = 3
SERVERS = ("ours", "same", "bare")
YARDSTICK = {"status": 117, "create": 127, "message": 226, "list": 107}
Requests = list[list[bytes]]
Table = dict[str, dict[str, dict[str, float]]]


async def run(url: str, seconds: float = 5.0) -> Table:
    """Measure every case on every server and answer medians: case, server, then rate, p50_ms and p99_ms."""
    async with main.opened(stage.settings_of(url), size=4) as database:
        cases, boards = await _staged(database, url)
    async with _servers(url, boards) as ports:
        seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for _ in range(ROUNDS):
            for case, requests in cases.items():
                for server in SERVERS:
                    measured = await loaded(Plan(ports[server], seconds, requests), name=f"{server} {case}")
                    seen.setdefault((case, server), []).append(measured)
    table = {case: {server: _median(seen[case, server]) for server in SERVERS} for case in cases}
    print(markdown(table), flush=True)
    return table


def markdown(table: Table) -> str:
    """The table of a run, rates in requests a second."""
    lines = [
        "| case | ours/s | p50 ms | p99 ms | same statements/s | ratio | bare/s | ratio | times the rival |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for case, row in table.items():
        ours, same, bare = (row[server]["rate"] for server in SERVERS)
        rival = YARDSTICK.get(case.split(",", maxsplit=1)[0])
        times = f"{ours / rival:.1f}" if rival and "," not in case else ""
        lines.append(
            f"| {case} | {ours:,.0f} | {row['ours']['p50_ms']:.1f} | {row['ours']['p99_ms']:.1f} "
            f"| {same:,.0f} | {ours / same:.2f} | {bare:,.0f} | {ours / bare:.2f} | {times} |"
        )
    return "\n".join(lines)


def _median(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in runs) for name in ("rate", "p50_ms", "p99_ms")}


async def _staged(database: Database, url: str) -> tuple[dict[str, Requests], list[Board]]:
    large = await stage.board(database, url, slug="bench-large", size=TASKS)
    births = await stage.board(database, url, slug="bench-births", size=0)
    many = [await stage.board(database, url, slug=f"bench-{number}", size=EACH) for number in range(ACCOUNTS)]
    boards = [large, births, *many]
    for board in boards:
        await stage.record(database, board)
    cases = {
        "status": dealt([_moves(large, task) for task in large.tasks[:BUSY]]),
        "create": dealt([_births(births)] * CONNECTIONS),
        "message": dealt([_words(large, task) for task in large.tasks[:BUSY]]),
        "list": dealt([_lists(large)] * CONNECTIONS),
        "status, 50 accounts": dealt([_moves(board, task) for board in many for task in board.tasks]),
        "create, 50 accounts": dealt([_births(board) for board in many]),
        "message, 50 accounts": dealt([_words(board, task) for board in many for task in board.tasks]),
    }
    return cases, boards


def dealt(pairs: Sequence[list[bytes]]) -> Requests:
    """Each connection has its own tasks, so that no two wait for one row."""
    return [[request for pair in pairs[place::CONNECTIONS] for request in pair] for place in range(CONNECTIONS)]


def _moves(board: Board, task: Any) -> list[bytes]:
    away = {"task_id": task, "status": "blocked", "blocked_reason": stage.BLOCKED}
    back = {"task_id": task, "status": "in_progress"}
    return [_post("/agent/task-status", board.leader.token, body) for body in (away, back)]


def _words(board: Board, task: Any) -> list[bytes]:
    return [_post("/agent/task-message", board.agent.token, {"task_id": task, "content": stage.CONTENT})] * 2


def _births(board: Board) -> list[bytes]:
    return [_post("/api/v1/tasks", board.person.token, {"title": stage.TITLE})] * 2


def _lists(board: Board) -> list[bytes]:
    head = f"GET /api/v1/tasks?limit=50 HTTP/1.1\r\nhost: board\r\nauthorization: Bearer {board.person.token}\r\n\r\n"
    return [head.encode()] * 2


def _post(path: str, token: str, body: dict[str, Any]) -> bytes:
    content = msgspec.json.encode(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: board\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


@asynccontextmanager
async def _servers(url: str, boards: Sequence[Board]) -> AsyncIterator[dict[str, int]]:
    """The product and both baselines, each one process; those that are not measured are idle."""
    ports = {server: processes.free_port() for server in SERVERS}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callboard-bench-")))
        staged = folder / "stage"
        staged.write_bytes(pickle.dumps((url, [seat for board in boards for seat in (board.person, board.leader, board.agent)])))
        port = ports["ours"]
        environment = {"DATABASE_URL": url, "CALLBOARD_PORT": str(port), "CALLBOARD_LOG_LEVEL": "warning"}
        await stack.enter_async_context(processes.running("app", "serve", port=port, **environment))
        for name in SERVERS[1:]:
            port = ports[name]
            await stack.enter_async_context(
                processes.running("bench.baselines", name, str(port), port=port, BENCH_STAGE=str(staged))
            )
        yield ports


async def loaded(plan: Plan, *, name: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bench.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    out, _ = await process.communicate(pickle.dumps(plan))
    seen: dict[str, Any] = json.loads(out)
    if seen["errors"]:
        raise RuntimeError(f"{name}: {seen['errors']} requests failed, the last with {seen['sample']}")
    print(f"{name}: {seen['rate']:,.0f}/s", flush=True)
    return seen


async def _alone(seconds: float) -> None:
    with processes.cluster() as local:
        url, _ = await processes.database(local, "bench_http")
        await run(url, seconds)


if __name__ == "__main__":
    uvloop.run(_alone(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
