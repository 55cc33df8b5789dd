"""Every measurement, and `bench/README.md` with what came out.

Run: python -m bench [SECONDS]; it starts a database of its own and takes about ten minutes.
"""

import os
import platform
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import uvloop

from app.kernel import db
from app.kernel.server import LocalServer
from bench import delivery, http, processes
from bench.http import Table

WRITES, READS, TIMES, DRAIN = 0.5, 0.6, 10, 0.2
COMMANDS = 20_000
# Runnable processes of the bench itself: load generator, API and a few of the database's.
OWN_LOAD = 3
README = Path(__file__).with_name("README.md")
Drain = Callable[[str, str, int], Awaitable[dict[str, float]]]

HEAD = """# Numbers

Written by `python -m bench` (in the environment that `./callboard` makes: `.venv/bin/python -m bench`), which starts a database
of its own; `python -m bench.http` and `python -m bench.delivery` are its parts. Every figure comes from one run on {machine}.
Ratios are what to compare: load generator, API and database share the cores, and the machine's load average over the last
five minutes of the run was {load:.1f}, so what exceeds about {own} is other work that the rates suffer from.
"""
CAVEATS = """## How to read it

- One API process, {connections} keep-alive connections, each with one request in flight; {rounds} interleaved rounds of
  {seconds:g} s a case behind a second of warming up, medians of the rounds. A failed request fails the run.
- *Same statements* is bare ASGI on the same server and driver that plays what the product itself asks of the database,
  recorded at the start: same text, arguments of the same size, new ids; no rules, no views, no error envelope.
  It does not send the NOTIFY that the product sends after commits, at most every 5 ms.
- *Bare* is the least that could serve the call: tenant, token, row lock, one update or insert, COMMIT. It records no event and
  tells nobody; the product's answer to the same call writes two to five events and one to three notifications.
- In one account all writes take one number each from the account's event counter, whose row is held until COMMIT is on the
  disk: that queue, not the processor, bounds the rate of one account. The rows with 50 accounts show the process itself.
- The list is of an account with {tasks:,} tasks. Tokens are remembered for a second by the product; *bare* looks each up.
- The rival's figures (117, 127, 226 and 107 a second) were taken elsewhere on a machine of this kind, not in this run.
- Delivery: one message at a time; the clock starts when COMMIT has returned in the process that posts, and stops when the
  request's head has been read by the gateway. Prompts of the backlog take the gateway 200 ms each.
"""


async def run(seconds: float) -> str:
    """All measurements, each in a database of its own; the text of the README."""
    with processes.cluster() as local:
        machine = await _machine(local)
        table = await http.run((await processes.database(local, "bench_http"))[0], seconds)
        delivered = await delivery.run((await processes.database(local, "bench_delivery"))[0])
        drained = await _drained(local)
    caveats = CAVEATS.format(connections=http.CONNECTIONS, rounds=http.ROUNDS, seconds=seconds, tasks=http.TASKS)
    parts = [
        HEAD.format(machine=machine, load=os.getloadavg()[1], own=OWN_LOAD),
        "## Requests\n",
        http.markdown(table) + "\n",
        "## Delivery\n",
        delivery.markdown(delivered) + "\n",
        *(["## Drain of no-op commands\n", _drain_table(drained) + "\n"] if drained else []),
        "## Aims\n",
        _aims(table, drained) + "\n",
        caveats,
    ]
    return "\n".join(parts)


async def _machine(local: LocalServer) -> str:
    admin = await asyncpg.connect(db.plain(local.admin_url))
    try:
        version = await admin.fetchval("SHOW server_version")
    finally:
        await admin.close()
    python, kind = platform.python_version(), platform.machine()
    return f"{os.cpu_count()} cores ({kind}), Python {python}, PostgreSQL {version} over a Unix socket, fsync on"


async def _drained(local: LocalServer) -> dict[str, float]:
    if find_spec("bench.drain") is None:
        return {}
    measure: Drain = import_module("bench.drain").run
    return await measure(*await processes.database(local, "bench_drain"), COMMANDS)


def _drain_table(drained: dict[str, float]) -> str:
    lines = ["| loop | commands/s | ratio to bare |", "|---|---:|---:|"]
    names = [name for name in drained if not name.endswith("_ratio")]
    rows = [f"| {name} | {drained[name]:,.0f} | {drained[name] / drained['bare']:.2f} |" for name in names]
    return "\n".join([*lines, *rows])


def _aims(table: Table, drained: dict[str, float]) -> str:
    lines = ["| aim | got | |", "|---|---:|---|"]
    for case, row in table.items():
        aim = READS if case == "list" else WRITES
        lines.append(_aim(f"{case}: ≥ {aim} of the same statements", row["ours"]["rate"] / row["same"]["rate"], aim))
        if case in http.YARDSTICK:
            lines.append(_aim(f"{case}: ≥ {TIMES} times the rival", row["ours"]["rate"] / http.YARDSTICK[case], TIMES))
    if "lanes_ratio" in drained:
        lines.append(_aim(f"drain of lanes: ≥ {DRAIN} of the bare loop", drained["lanes_ratio"], DRAIN))
    return "\n".join(lines)


def _aim(name: str, got: float, aim: float) -> str:
    return f"| {name} | {got:.2f} | {'met' if got >= aim else '**missed**'} |"


if __name__ == "__main__":
    README.write_text(uvloop.run(run(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)))
