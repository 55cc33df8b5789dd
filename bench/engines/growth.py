"""How tables and indexes grow with a million finished commands, and what retention gives back."""

from typing import Any

import asyncpg

from app.kernel.server import LocalServer
from bench.engines.driving import BARE, OURS, Engine, Place, crew, emptied, place, said
from bench.engines.tables import table

STEPS = (100_000, 500_000, 1_000_000)
CHUNK = 50_000
MB = 1_048_576
SIZES = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS tables, coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint AS indexes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname = ANY($1)
"""
PARTIAL = "SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint FROM pg_class WHERE relname = ANY($1)"
# What is compared: commands with their attempts. Our events are counted apart, since a bare loop has none.
TABLES = {"bare": ["bare_commands", "bare_attempts"], "callboard": ["runtime_commands", "runtime_command_attempts"]}
QUEUES = {
    "bare": ["bare_due"],
    "callboard": ["runtime_commands_claim_idx", "runtime_commands_due_idx", "runtime_commands_worker_idx"],
}


async def grown(local: LocalServer, _engines: list[Engine], _rivals: str | None) -> str:
    rows: list[list[Any]] = []
    for engine in (BARE, OURS):
        at = await place(local, engine, f"growth_{engine.module}", rivals=None)
        done = 0
        for step in STEPS:
            while done < step:
                await said(at, "put", str(CHUNK), "1000", "4")
                async with crew(at, 1):
                    await emptied(at)
                done += CHUNK
            rows.append([f"{engine.name}, {step:,} finished", *await _sizes(at)])
    names = ["after", "tables MB", "indexes MB", "indexes of what waits MB", "events MB"]
    return table("Growth", names, rows, NOTE)


async def _sizes(at: Place) -> list[str]:
    connection = await asyncpg.connect(at.admin_url)
    try:
        row = await connection.fetchrow(SIZES, TABLES[at.engine.name])
        queue = await connection.fetchval(PARTIAL, QUEUES[at.engine.name])
        events = await connection.fetchrow(SIZES, ["events"])
        total = events["tables"] + events["indexes"]
        return [f"{value / MB:,.0f}" for value in (row["tables"], row["indexes"])] + [f"{queue / MB:,.1f}", f"{total / MB:,.0f}"]
    finally:
        await connection.close()


NOTE = """What has ended stays for its retention, so tables grow with what is done, and are given back by retention: it deletes in
batches what is over, found by a BRIN index of a few pages. The indexes that claims read hold only what waits or runs; their dead
entries go when autovacuum comes, at 2 % of dead rows. A million in three minutes is quicker than its nap of a minute, hence their
growth here. Rows are updated twice in their life, with room left for it in their page (fillfactor 70)."""
