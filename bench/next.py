"""`next` with nothing to do, and with something: requests a second of one API process, and queries of one request.

Run: python -m bench.next [SECONDS]; it starts a database of its own, with one account of 100,000 tasks.
"""

import statistics
import sys
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import uvloop

from app import main
from app.accounts import service as accounts
from app.agentapi import service
from app.bootstrap import service as bootstrap
from app.kernel import db
from app.kernel import settings as registry
from app.kernel.db import Database
from bench import processes, stage
from bench.http import CONNECTIONS, ROUNDS, loaded
from bench.load import Plan
from bench.stage import ORIGIN, Seat

TASKS = 100_000
DONE_BY_WORKER = 1_000
OTHER = """
INSERT INTO agents SELECT (jsonb_populate_record(a, jsonb_build_object('id', $2::uuid, 'slug', 'other'))).*
FROM agents a WHERE a.account_id = $1 AND a.slug = 'writer'
"""
# One is in review, of the others 70 in 100 done; what is open is given to another, so that there is nothing for who asks.
FILL = """
INSERT INTO tasks (account_id, id, title, description, status, priority, labels, blocked_reason, version, is_coordination,
                   created_by_kind, created_at, updated_at, completed_at)
SELECT $1, gen_random_uuid(), 'Task ' || n, '', s.status, 1 + n % 5, '{}', CASE WHEN s.status = 'blocked' THEN 'b' END, 1, false,
       'system', now(), now(), CASE WHEN s.status = 'done' THEN now() END
FROM generate_series(1, $2) AS n CROSS JOIN LATERAL (SELECT CASE WHEN n = 1 THEN 'review' WHEN n % 100 < 70 THEN 'done'
    WHEN n % 100 < 90 THEN 'assigned' WHEN n % 100 < 98 THEN 'in_progress' ELSE 'blocked' END AS status) s
"""
GIVE = """
INSERT INTO task_assignees (account_id, id, task_id, agent_id, assigned_by_kind, assigned_at)
SELECT $1, gen_random_uuid(), t.id, CASE WHEN t.status = 'done' AND t.n <= $3 THEN $4::uuid ELSE $2::uuid END, 'system', now()
FROM (SELECT id, status, row_number() OVER (PARTITION BY status) AS n FROM tasks WHERE account_id = $1) t
"""
ONE = """
UPDATE task_assignees SET agent_id = $2
WHERE account_id = $1 AND task_id = (SELECT id FROM tasks WHERE account_id = $1 AND status = 'assigned' LIMIT 1)
"""
CASES = {
    "a worker, nothing": "writer",
    f"a worker that did {DONE_BY_WORKER:,} tasks, nothing": "engineer",
    "the orchestrator, nothing": "orchestrator",
    "a worker, a task": "engineer-2",
    "a reviewer, a review": "reviewer",
}
Table = dict[str, dict[str, float]]


class Counting(db._Connection):  # noqa: SLF001 only its statements are counted
    """A connection that counts what it sends."""

    sent = 0

    async def execute(self, *args: Any, **options: Any) -> Any:
        Counting.sent += 1
        return await super().execute(*args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        Counting.sent += 1
        return await super().fetchrow(*args, **options)

    async def fetch(self, *args: Any, **options: Any) -> Any:
        Counting.sent += 1
        return await super().fetch(*args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        Counting.sent += 1
        return await super().fetchval(*args, **options)


async def run(url: str, admin_url: str, seconds: float = 5.0) -> Table:
    """Measure every case and answer medians: rate, p50_ms and p99_ms, and the queries of one request."""
    db._Connection = Counting  # type: ignore[misc] # noqa: SLF001
    async with main.opened(stage.settings_of(url), size=4) as database:
        seats = await _staged(database, url, admin_url)
        queries = {case: await _queries(database, seats[slug]) for case, slug in CASES.items()}
    port = processes.free_port()
    environment = {"DATABASE_URL": url, "CALLBOARD_PORT": str(port), "CALLBOARD_LOG_LEVEL": "warning"}
    seen: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
    async with processes.running("app", "serve", port=port, **environment):
        for _ in range(ROUNDS):
            for case, slug in CASES.items():
                requests = [[_asking(seats[slug].token)] * 2] * CONNECTIONS
                seen[case].append(await loaded(Plan(port, seconds, requests), name=case))
    table = {case: _median(runs) | {"queries": queries[case]} for case, runs in seen.items()}
    print(markdown(table), flush=True)
    return table


def markdown(table: Table) -> str:
    """The table of a run, rates in requests a second."""
    lines = ["| next of | requests/s | p50 ms | p99 ms | queries a request |", "|---|---:|---:|---:|---:|"]
    for case, row in table.items():
        lines.append(f"| {case} | {row['rate']:,.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | {row['queries']:.0f} |")
    return "\n".join(lines)


def _median(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in runs) for name in ("rate", "p50_ms", "p99_ms")}


async def _staged(database: Database, url: str, admin_url: str) -> dict[str, Seat]:
    """An account of many tasks, and a seat for each of the crew that asks."""
    report = await bootstrap.load(
        database, settings=stage.settings_of(url), directory=registry.ROOT / "seeds", account_slug="bench-next", gateway_url=None
    )
    tokens = dict(report.credentials)
    seats = {slug: await _seat(database, tokens[slug]) for slug in CASES.values()}
    account_id, other = report.account_id, uuid4()
    admin = await asyncpg.connect(db.plain(admin_url))
    try:
        await admin.execute(OTHER, account_id, other)
        await admin.execute(FILL, account_id, TASKS)
        await admin.execute(GIVE, account_id, other, DONE_BY_WORKER, seats["engineer"].principal.id)
        await admin.execute(ONE, account_id, seats["engineer-2"].principal.id)
        await admin.execute("VACUUM ANALYZE")
    finally:
        await admin.close()
    return seats


async def _seat(database: Database, token: str) -> Seat:
    return Seat(token, (await accounts.authenticate(database.app, token)).principal)


async def _queries(database: Database, seat: Seat) -> int:
    """Statements of one look, those that open and close its transaction included."""
    for _ in range(2):
        Counting.sent = 0
        async with database.transaction(seat.principal.account_id, origin=ORIGIN) as tx:
            await service.work(tx, seat.principal)
    return Counting.sent


def _asking(token: str) -> bytes:
    content = msgspec.json.encode({"wait": 0})
    head = (
        f"POST /agent/next HTTP/1.1\r\nhost: board\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def _alone(seconds: float) -> None:
    with processes.cluster() as local:
        url, admin_url = await processes.database(local, "bench_next")
        await run(url, admin_url, seconds)


if __name__ == "__main__":
    uvloop.run(_alone(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
