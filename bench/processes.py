"""The processes that a run needs, started and ended by it."""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from app.kernel import db, migrate, server
from app.kernel.server import SERVICE_USER, LocalServer
from app.kernel.settings import ROOT

READY_SECONDS = 30.0
END_SECONDS = 20.0


@contextmanager
def cluster() -> Iterator[LocalServer]:
    """A PostgreSQL server that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="callboard-bench-"))
    # Under root the server runs as another user, who must pass.
    directory.chmod(0o711)
    running = server.start_local(directory)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def database(local: LocalServer, name: str) -> tuple[str, str]:
    """(service, admin) addresses of a new migrated database."""
    admin = await asyncpg.connect(db.plain(local.admin_url))
    try:
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    url, admin_url = (urlsplit(one)._replace(path=f"/{name}").geturl() for one in (local.url, local.admin_url))
    await migrate.upgrade(admin_url, SERVICE_USER)
    return url, admin_url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(*arguments: str, port: int | None = None, **environment: str) -> AsyncIterator[int]:
    """`python -m …` until the block ends; answers its process id once `port` accepts connections."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", *arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}
    )
    try:
        if port is not None:
            await _accepts(port, process)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _accepts(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise RuntimeError("a process of the bench ended at its start; its log is above")
