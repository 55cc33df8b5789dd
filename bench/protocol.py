"""The agents' protocol in numbers, and `bench/protocol.md` with what came out.

Run: python -m bench.protocol [SECONDS]; it starts databases of its own and takes about five minutes.
"""

import os
import sys
from pathlib import Path

import uvloop

from bench import claim, mcp, processes, search
from bench import next as looking

README = Path(__file__).with_name("protocol.md")
HEAD = """# The agents' protocol in numbers

Written by `python -m bench.protocol`. One run on {cores} cores that load generator, one API process and PostgreSQL share;
fsync is on; the load average of the last five minutes was {load:.1f}. Compare ratios and counts rather than rates.
"""


async def run(seconds: float) -> str:
    """All parts, each in a database of its own; the text of the page."""
    with processes.cluster() as local:
        claimed = await claim.run(*await processes.database(local, "bench_claim"), seconds * 3)
        looked = await looking.run(*await processes.database(local, "bench_next"), seconds)
        found = await search.run(*await processes.database(local, "bench_search"))
        spoken = await mcp.run((await processes.database(local, "bench_mcp"))[0], seconds)
    parts = [
        HEAD.format(cores=os.cpu_count(), load=os.getloadavg()[1]),
        f"## Claims: {claim.AGENTS} agents contend for {claim.TASKS:,} tasks of the open pool\n",
        claim.markdown(claimed) + "\n",
        "## `next`\n",
        looking.markdown(looked) + "\n",
        "## Search, and creating under the duplicate guard\n",
        search.markdown(found) + "\n",
        "## MCP against HTTP\n",
        mcp.markdown(spoken),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    README.write_text(uvloop.run(run(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)))
