"""The durable runtime beside a bare loop, pgqueuer and procrastinate, and `bench/runtime.md` with what came out.

Run: python -m bench.runtime [PYTHON]; it starts a database of its own and takes about fifteen minutes. PYTHON is an interpreter
that has what `bench/rivals.txt` lists; without it the two rivals are left out.
"""

import sys
from pathlib import Path
from typing import Any

import uvloop

from bench import processes
from bench.engines import backlog, fleet, growth, rates, recovery
from bench.engines.driving import BARE, OURS, PGQUEUER, PROCRASTINATE, Engine
from bench.engines.tables import HEAD, machine

REPORT = Path(__file__).with_name("runtime.md")


async def run(rivals: str | None) -> str:
    engines: list[Engine] = [BARE, OURS, *([PGQUEUER, PROCRASTINATE] if rivals else [])]
    parts: list[str] = []
    with processes.cluster() as local:
        for measure in (rates.drained, rates.enqueued, fleet.latencies, fleet.transactions, backlog.claims, growth.grown):
            text = await measure(local, engines, rivals)
            print(text, flush=True)
            parts.append(text)
        parts.append(await recovery.recovered(local))
        print(parts[-1], flush=True)
        head: str = HEAD.format(machine=await machine(local))
    return "\n\n".join([head, *parts]) + "\n"


def main(arguments: list[str]) -> Any:
    REPORT.write_text(uvloop.run(run(arguments[0] if arguments else None)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
