"""Claims of 200 agents that contend for 100,000 tasks of the open pool: rate, latencies, and tasks that two of them got.

Run: python -m bench.claim [SECONDS]; it starts a database of its own. Each agent claims and hands over, one call after the
other, over a connection of its own to one API process; only the claims are timed.
"""

import asyncio
import statistics
import sys
import time
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import uvloop

from app import main
from app.accounts import service as accounts
from app.bootstrap import service as bootstrap
from app.kernel import db
from app.kernel import settings as registry
from app.kernel.types import ActorKind
from bench import processes, stage
from bench.stage import ORIGIN

TASKS = 100_000
AGENTS = 200
WARM_SECONDS = 2.0
OPEN = """UPDATE accounts SET settings = settings || '{"open_pool": true}' WHERE id = $1"""
FILL = """
INSERT INTO tasks (account_id, id, title, description, status, priority, labels, version, is_coordination, created_by_kind,
                   created_at, updated_at)
SELECT $1, gen_random_uuid(), 'Task ' || n, '', 'inbox', 1 + n % 5, '{}', 1, false, 'system', now(), now()
FROM generate_series(1, $2) AS n
"""
HIRE = """
INSERT INTO agents SELECT (jsonb_populate_record(a, jsonb_build_object('id', $2::uuid, 'slug', $3::text))).*
FROM agents a WHERE a.account_id = $1 AND a.slug = 'writer'
"""


class Seen:
    def __init__(self, begins: float, ends: float) -> None:
        self.begins = begins
        self.ends = ends
        self.latencies: list[float] = []
        self.claimed: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()


async def run(url: str, admin_url: str, seconds: float = 15.0) -> dict[str, float]:
    """Measure and print a table: claims a second, p50_ms, p95_ms, duplicates and errors."""
    tokens = await _staged(url, admin_url)
    port = processes.free_port()
    environment = {"DATABASE_URL": url, "CALLBOARD_PORT": str(port), "CALLBOARD_LOG_LEVEL": "warning"}
    async with processes.running("app", "serve", port=port, **environment):
        begins = time.perf_counter() + WARM_SECONDS
        seen = Seen(begins, begins + seconds)
        await asyncio.gather(*(_worked(port, token, seen) for token in tokens))
    cuts = statistics.quantiles(seen.latencies, n=100)
    found = {
        "claims/s": len(seen.latencies) / seconds,
        "p50_ms": cuts[49] * 1000,
        "p95_ms": cuts[94] * 1000,
        "duplicates": float(sum(count - 1 for count in seen.claimed.values())),
        "errors": float(seen.errors.total()),
    }
    print(markdown(found), *seen.errors.most_common(3), sep="\n", flush=True)
    return found


def markdown(found: dict[str, float]) -> str:
    lines = ["| claims/s | p50 ms | p95 ms | tasks given twice | refused |", "|---:|---:|---:|---:|---:|"]
    rate, p50, p95, twice, errors = found.values()
    return "\n".join([*lines, f"| {rate:,.0f} | {p50:.0f} | {p95:.0f} | {twice:.0f} | {errors:.0f} |"])


async def _worked(port: int, token: str, seen: Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (at := time.perf_counter()) < seen.ends:
        status, answer = await _called(reader, writer, token, "task-claim", {})
        if status != 200 or not answer.get("lease"):
            seen.errors[str(answer)[:120]] += 1
            continue
        lease = answer["lease"]
        seen.claimed[lease["task_id"]] += 1
        if at >= seen.begins:
            seen.latencies.append(time.perf_counter() - at)
        over = {"task_id": lease["task_id"], "status": "review", "fence": lease["fence"]}
        status, answer = await _called(reader, writer, token, "task-status", over)
        if status != 200:
            seen.errors[str(answer)[:120]] += 1
    writer.close()


async def _called(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, verb: str, body: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    content = msgspec.json.encode(body)
    head = (
        f"POST /agent/{verb} HTTP/1.1\r\nhost: board\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(answer[9:12]), msgspec.json.decode(await reader.readexactly(length))


async def _staged(url: str, admin_url: str) -> list[str]:
    async with main.opened(stage.settings_of(url), size=4) as database:
        report = await bootstrap.load(
            database,
            settings=stage.settings_of(url),
            directory=registry.ROOT / "seeds",
            account_slug="bench-claim",
            gateway_url=None,
        )
        hired = [uuid4() for _ in range(AGENTS)]
        await _filled(admin_url, report.account_id, hired)
        tokens = []
        for agent_id in hired:
            async with database.transaction(report.account_id, origin=ORIGIN) as tx:
                made = accounts.issue_token(
                    tx, principal_kind=ActorKind.AGENT, principal_id=agent_id, name="bench", created_by=None
                )
                tokens.append(made[1])
    return tokens


async def _filled(admin_url: str, account_id: UUID, hired: list[UUID]) -> None:
    admin = await asyncpg.connect(db.plain(admin_url))
    try:
        await admin.execute(OPEN, account_id)
        await admin.execute(FILL, account_id, TASKS)
        await admin.executemany(HIRE, [(account_id, one, f"agent-{number}") for number, one in enumerate(hired)])
        await admin.execute("VACUUM ANALYZE")
    finally:
        await admin.close()


async def _alone(seconds: float) -> None:
    with processes.cluster() as local:
        url, admin_url = await processes.database(local, "bench_claim")
        await run(url, admin_url, seconds)


if __name__ == "__main__":
    uvloop.run(_alone(float(sys.argv[1]) if len(sys.argv) > 1 else 15.0))
