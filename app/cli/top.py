"""The live view of the runtime: what waits, what runs, how fast, and who does it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.observability import queries
from app.observability.metrics import Family, merged

STATES = ("due", "queued", "retry_scheduled", "running", "held")
HEADS = ("queue", "type", "due", "waiting", "retrying", "running", "held", "oldest due")
WIDTH = 120


class Counters(msgspec.Struct, frozen=True):
    """What all processes have counted until `at`, by type: claims, ends by outcome, and the two latencies' sums and counts."""

    at: float
    values: Mapping[tuple[str, str, str], float]


async def watch(pool: Any, *, seconds: float, once: bool) -> None:
    """Draw a picture every `seconds`; `once` draws one, in plain text where no terminal is."""
    console = Console(width=None if Console().is_terminal else WIDTH)
    before = await _counters(pool)
    await asyncio.sleep(seconds)
    if once:
        console.print(_picture(await _loads(pool), before, await _counters(pool)))
        return
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            now = await _counters(pool)
            live.update(_picture(await _loads(pool), before, now), refresh=True)
            before = now
            await asyncio.sleep(seconds)


async def _counters(pool: Any) -> Counters:
    rows = await pool.fetch(queries.PUBLISHED)
    values: dict[tuple[str, str, str], float] = defaultdict(float)
    for family in merged(msgspec.json.decode(row["samples"], type=list[Family]) for row in rows):
        for name, labels, value in family.samples:
            if name.startswith("callboard_attempts") or name.endswith(("_seconds_sum", "_seconds_count")):
                values[name, labels.get("type", ""), labels.get("outcome", "")] += value
    return Counters(asyncio.get_running_loop().time(), values)


async def _loads(pool: Any) -> tuple[list[Any], list[Any], list[Any]]:
    return await pool.fetch(queries.DEPTHS), await pool.fetch(queries.LETTERS), await pool.fetch(queries.CREW)


def _picture(loads: tuple[list[Any], list[Any], list[Any]], before: Counters, now: Counters) -> Group:
    depths, letters, workers = loads
    dead = sum(row["many"] for row in letters if row["state"] == "open")
    busy, slots = (sum(row[name] for row in workers) for name in ("running", "slots"))
    head = Text.assemble(
        ("Callboard runtime  ", "bold"),
        f"{len(workers)} workers, {busy} of {slots} slots busy, ",
        (f"{dead} dead letters", "bold red" if dead else "dim"),
    )
    return Group(head, _queues(depths), _rates(before, now), _workers(workers))


def _queues(depths: Iterable[Any]) -> Table:
    table = Table(*HEADS, title="what waits", title_justify="left", expand=False)
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in depths:
        one = found[row["queue"], row["type"]]
        one[row["state"]] += row["many"]
        one["due"] += row["due"]
        one["oldest"] = max(one["oldest"], row["oldest"])
    for (queue, kind), one in sorted(found.items()):
        age = f"{one['oldest']:,.1f} s" if one["due"] else ""
        table.add_row(queue, kind, *[f"{one[state]:,.0f}" for state in STATES], age)
    return table


def _rates(before: Counters, now: Counters) -> Table:
    table = Table("type", "ends/s", "failed/s", "start ms", "run ms", title="what happens", title_justify="left")
    passed = max(now.at - before.at, 1e-9)

    def grown(name: str, kind: str, outcome: str | None = None) -> float:
        keys = [key for key in now.values if key[:2] == (name, kind) and outcome in (None, key[2])]
        return sum(now.values[key] - before.values.get(key, 0.0) for key in keys)

    for kind in sorted({key[1] for key in now.values if key[0] == "callboard_attempts_total"}):
        ended = grown("callboard_attempts_total", kind)
        failed = ended - grown("callboard_attempts_total", kind, "succeeded")
        means = [_mean(grown(f"{name}_sum", kind), grown(f"{name}_count", kind)) for name in LATENCIES]
        table.add_row(kind, f"{ended / passed:,.1f}", f"{failed / passed:,.1f}", *means)
    return table


LATENCIES = ("callboard_start_seconds", "callboard_run_seconds")


def _mean(total: float, count: float) -> str:
    return f"{1000 * total / count:,.1f}" if count else ""


def _workers(workers: Iterable[Any]) -> Table:
    table = Table("worker", "host", "pid", "version", "busy", "slots", "beat", title="who does it", title_justify="left")
    for row in workers:
        table.add_row(
            str(row["id"])[-12:],
            row["host"],
            str(row["pid"]),
            row["version"],
            f"{row['running']:,}",
            f"{row['slots']:,}",
            f"{row['silent']:.0f} s ago",
        )
    return table
