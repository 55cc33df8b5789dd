"""How results are written."""

import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

import asyncpg

from app.kernel import db
from app.kernel.server import LocalServer

HEAD = """# Numbers of the durable runtime

Written by `python -m bench.runtime`; every figure comes from one run on {machine}.
Ratios are what to compare: workers, feeders and database share the cores. *Bare* is a `FOR UPDATE SKIP LOCKED` loop with
attempt rows on asyncpg: no events, no fence, no idempotency key, no policies, no limits. The others do the same no-op work with
their documented best settings."""


async def machine(local: LocalServer) -> str:
    admin = await asyncpg.connect(db.plain(local.admin_url))
    try:
        version = await admin.fetchval("SHOW server_version")
    finally:
        await admin.close()
    python, load = platform.python_version(), os.getloadavg()[2]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {python}, PostgreSQL {version}, fsync on, load average {load:.1f}"
    )


def table(title: str, names: Sequence[str], rows: Sequence[Sequence[Any]], *notes: str) -> str:
    lines = [f"## {title}", "", f"| {' | '.join(names)} |", f"|---{'|---:' * (len(names) - 1)}|"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    if notes:
        lines += ["", *notes]
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")
