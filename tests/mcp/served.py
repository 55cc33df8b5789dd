"""A board served by a process of its own, for clients that need a real address."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx

from app import main
from app.bootstrap import service as bootstrap
from app.kernel.settings import ROOT
from tests import boards, make
from tests.conftest import STRATEGY


class Served:
    """Where it is, and who may call it."""

    def __init__(self, url: str, tokens: dict[str, str], process: asyncio.subprocess.Process) -> None:
        self.url = url
        self.tokens = tokens
        self._process = process

    async def asked(self, who: str, path: str, **body: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as client:
            headers = {"Authorization": f"Bearer {self.tokens[who]}"}
            if body:
                return await client.post(path, json=body, headers=headers)
            return await client.get(path, headers=headers)

    async def task(self, **fields: Any) -> dict[str, Any]:
        answer = await self.asked(boards.OWNER, "/api/v1/tasks", **({"title": "A task"} | fields))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(cluster: tuple[str, str], template: str) -> AsyncIterator[Served]:
    """A board on a database of its own, seeded with the shipped crew."""
    admin, service = cluster
    name, port = f"t_{uuid4().hex[:12]}", free_port()
    await make.execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {STRATEGY}")
    given = {"DATABASE_URL": make.url_of(service, database=name), "CALLBOARD_PORT": str(port), "CALLBOARD_LOG_LEVEL": "error"}
    settings = boards.settings_for(given["DATABASE_URL"])
    async with main.opened(settings, size=2) as database:
        report = await bootstrap.load(database, settings=settings, directory=boards.SEEDS)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **given}
    command = (sys.executable, "-P", "-m", "app", "serve")
    served = Served(
        f"http://127.0.0.1:{port}", dict(report.credentials), await asyncio.create_subprocess_exec(*command, env=environment)
    )
    try:
        await make.until(lambda: _is_ready(served))
        yield served
    finally:
        await served.stop()
        await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


async def _is_ready(served: Served) -> bool:
    try:
        return (await served.asked(boards.OWNER, "/ready")).is_success
    except httpx.TransportError:
        return False
