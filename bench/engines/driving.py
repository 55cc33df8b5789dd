"""Starts an engine's processes and reads what they print."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from app.kernel import db
from app.kernel.server import LocalServer
from app.kernel.settings import ROOT
from bench import processes

LONGEST_LINE = 64 * 1024 * 1024


class Engine(NamedTuple):
    """`waiting` counts the jobs that are not done; `is_ours` migrates the database and serves as the service's role."""

    name: str
    module: str
    waiting: str
    is_ours: bool = False


BARE = Engine("bare", "bare", "SELECT count(*) FROM bare_commands WHERE state <> 'succeeded'")
OURS = Engine("callboard", "ours", "SELECT count(*) FROM runtime_commands WHERE state IN ('queued', 'running')", is_ours=True)
PGQUEUER = Engine("pgqueuer", "with_pgqueuer", "SELECT count(*) FROM pgqueuer")
PROCRASTINATE = Engine(
    "procrastinate", "with_procrastinate", "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
)


class Place(NamedTuple):
    """A database of one engine."""

    engine: Engine
    url: str
    admin_url: str
    python: str


async def place(local: LocalServer, engine: Engine, name: str, *, rivals: str | None) -> Place:
    """A new database with the engine's tables."""
    if engine.is_ours:
        url, admin_url = await processes.database(local, name)
    else:
        url = admin_url = await _empty(local, name)
    found = Place(
        engine, db.plain(url), db.plain(admin_url), rivals if engine.module.startswith("with_") and rivals else sys.executable
    )
    await said(found, "install", admin=True)
    return found


async def _empty(local: LocalServer, name: str) -> str:
    admin = await asyncpg.connect(db.plain(local.admin_url))
    try:
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    return urlsplit(local.admin_url)._replace(path=f"/{name}").geturl()


async def start(at: Place, verb: str, *arguments: str, admin: bool = False, **environment: str) -> Any:
    return await asyncio.create_subprocess_exec(
        *[at.python, "-m", f"bench.engines.{at.engine.module}", verb, at.admin_url if admin else at.url, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )


async def said(at: Place, verb: str, *arguments: str, admin: bool = False) -> Any:
    """Run to the end; answers what it printed last, read as JSON."""
    process = await start(at, verb, *arguments, admin=admin)
    text, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{at.engine.name} {verb} ended with exit code {process.returncode}; its log is above")
    return json.loads(text.splitlines()[-1]) if text.strip() else None


class Crew:
    """Worker processes, and what they printed once they ended."""

    def __init__(self) -> None:
        self.processes: list[Any] = []
        self.done: list[dict[str, Any]] = []


@asynccontextmanager
async def crew(at: Place, many: int, **environment: str) -> AsyncIterator[Crew]:
    """`many` workers until the block ends; then `done` holds their tallies."""
    found = Crew()
    try:
        for _ in range(many):
            found.processes.append(await start(at, "work", **environment))
        for process in found.processes:
            await _ready(at, process)
        yield found
        for process in found.processes:
            process.terminate()
        for process in found.processes:
            text, _ = await asyncio.wait_for(process.communicate(), 60)
            found.done.append(json.loads(text.splitlines()[-1]))
    finally:
        await killed(found.processes)


async def _ready(at: Place, process: Any) -> None:
    if (line := await process.stdout.readline()).strip() != b"ready":
        raise RuntimeError(f"{at.engine.name} said {line!r} instead of being ready")


async def killed(processes_: list[Any]) -> None:
    for process in processes_:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def emptied(at: Place, *, seconds: float = 600) -> None:
    """Until no job is left."""
    connection = await asyncpg.connect(at.admin_url)
    try:
        async with asyncio.timeout(seconds):
            while await connection.fetchval(at.engine.waiting):  # noqa: ASYNC110 only the database knows
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
