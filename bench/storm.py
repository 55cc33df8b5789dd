"""Commands with side effects under a storm: workers killed each second, the database restarted once; nothing lost or doubled.

Run: python -m bench.storm [SECONDS [COMMANDS]]; it starts a database of its own and fails if
anything is wrong.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from app.kernel import db
from app.kernel.server import LocalServer, start_local
from bench.engines import recovery
from bench.engines.driving import OURS, Place, killed, place, said
from bench.engines.ours import EFFECTS

WORKERS = 4
LANES = 200
KILL_EVERY = 1.0
PATIENCE_SECONDS = 300.0
FACTS = {
    "commands": "SELECT count(*) FROM runtime_commands",
    "not succeeded": "SELECT count(*) FROM runtime_commands WHERE state <> 'succeeded'",
    "effects": "SELECT count(*) FROM effects",
    "commands with not exactly one effect": """
        SELECT count(*) FROM runtime_commands c WHERE 1 <> (SELECT count(*) FROM effects e WHERE e.command_id = c.id)""",
    "commands with not exactly one success": """
        SELECT count(*) FROM runtime_commands c WHERE 1 <> (SELECT count(*) FROM runtime_command_attempts t
            WHERE t.command_id = c.id AND t.outcome = 'succeeded')""",
    "commands with a missing or open attempt": """
        SELECT count(*) FROM runtime_commands c WHERE c.attempt <> (SELECT count(*) FROM runtime_command_attempts t
            WHERE t.command_id = c.id AND t.completed_at IS NOT NULL AND t.attempt BETWEEN 1 AND c.attempt)""",
    "commands without a complete chain of events": """
        SELECT count(*) FROM runtime_commands c WHERE NOT (
            1 = (SELECT count(*) FROM events e WHERE e.account_id = c.account_id AND e.entity_kind = 'command'
                 AND e.entity_id = c.id AND e.type = 'runtime:command:created')
            AND c.attempt = (SELECT count(*) FROM events e WHERE e.account_id = c.account_id AND e.entity_kind = 'command'
                 AND e.entity_id = c.id AND e.type = 'runtime:command:started')
            AND 1 = (SELECT count(*) FROM events e WHERE e.account_id = c.account_id AND e.entity_kind = 'command'
                 AND e.entity_id = c.id AND e.type = 'runtime:command:succeeded'))""",
    "effects out of order within their key": """
        SELECT count(*) FROM (SELECT lane_seq < lag(lane_seq) OVER (PARTITION BY lane_id ORDER BY place) AS is_wrong
            FROM effects WHERE lane_id IS NOT NULL) o WHERE is_wrong""",
    "lanes that did not come to rest": "SELECT count(*) FROM runtime_lanes WHERE state <> 'idle' OR done_seq <> last_seq",
    "gaps in the log": "SELECT max(seq) - count(*) FROM events",
    "attempts lost with their worker": "SELECT count(*) FROM runtime_command_attempts WHERE outcome = 'lost'",
    "of them by the restart": """
        SELECT count(*) FROM runtime_command_attempts WHERE outcome = 'lost' AND error_message LIKE '%restarted%'""",
}
NONE = (
    "not succeeded",
    "commands with not exactly one effect",
    "commands with not exactly one success",
    "commands with a missing or open attempt",
    "commands without a complete chain of events",
    "effects out of order within their key",
    "lanes that did not come to rest",
    "gaps in the log",
)


async def storm(local: LocalServer, directory: Path, *, seconds: float, commands: int) -> dict[str, int]:
    """Answers the facts afterwards."""
    at = await place(local, OURS, "storm", rivals=None)
    await _execute(at, EFFECTS)
    await said(at, "effects", str(commands), str(LANES))
    os.environ["BENCH_SLOTS"] = "10"
    workers: list[Any] = [await recovery.worker(at) for _ in range(WORKERS)]
    kills, clock = 0, time.monotonic
    begun = clock()
    end, restart_at = begun + seconds, begun + seconds / 2
    try:
        while clock() < end:
            # On the second, however long the last start took.
            await asyncio.sleep(max(0.0, begun + (kills + 1) * KILL_EVERY - clock()))
            victim = random.randrange(WORKERS)
            await killed([workers[victim]])
            workers[victim] = await recovery.worker(at)
            kills += 1
            if restart_at and clock() > restart_at:
                restart_at = 0.0
                await asyncio.to_thread(_restart, local, directory)
        ended = clock()
        await _settled(at)
        return {"kills": kills, "seconds after the last kill": round(clock() - ended), **await _facts(at)}
    finally:
        await killed(workers)


def _restart(local: LocalServer, directory: Path) -> None:
    # The hardest stop there is short of pulling the plug: no checkpoint, every connection cut.
    os.kill(local.pid, signal.SIGQUIT)
    while local.is_running():
        time.sleep(0.02)
    start_local(directory)


async def _settled(at: Place) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await _value(at, FACTS["not succeeded"]):
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.5)


async def _facts(at: Place) -> dict[str, int]:
    return {name: await _value(at, sql) for name, sql in FACTS.items()}


async def _value(at: Place, sql: str) -> int:
    connection = await asyncpg.connect(db.plain(at.admin_url))
    try:
        return int(await connection.fetchval(sql, timeout=300) or 0)
    finally:
        await connection.close()


async def _execute(at: Place, sql: str) -> None:
    connection = await asyncpg.connect(db.plain(at.admin_url))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def main(seconds: float = 60.0, commands: int = 20_000) -> int:
    directory = Path(tempfile.mkdtemp(prefix="callboard-storm-"))
    # Under root the server runs as another user, who must pass.
    directory.chmod(0o711)
    local = start_local(directory)
    try:
        facts = uvloop.run(storm(local, directory, seconds=seconds, commands=commands))
    finally:
        start_local(directory).stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(facts, indent=2))
    wrong = [name for name in NONE if facts[name]]
    if facts["commands"] != commands or facts["effects"] != commands:
        wrong.append("the number of commands or effects")
    print("wrong: " + ", ".join(wrong) if wrong else "nothing lost, nothing doubled")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*(kind(one) for kind, one in zip((float, int), sys.argv[1:], strict=False))))
