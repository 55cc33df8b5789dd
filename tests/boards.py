"""A whole board in this process: the real application on a real database, seeded with the shipped crew."""

import asyncio
import atexit
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import msgspec

from app import main
from app.bootstrap import service as bootstrap
from app.kernel import settings as registry
from app.kernel.db import Database
from app.kernel.settings import Settings

SEEDS = registry.ROOT / "seeds"
OWNER = "owner@example.com"
# What workers write, such as clones and workspaces, stays out of the checkout.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
DATA = tempfile.mkdtemp(prefix="callboard-boards-", dir=MEMORY)
atexit.register(shutil.rmtree, DATA, ignore_errors=True)


class Board:
    """`board.as_("engineer")` calls as that agent, `board.person` as the owner; `database` looks behind the routes."""

    def __init__(
        self, application: Any, database: Database, *, account_id: UUID, tokens: dict[str, str], settings: Settings
    ) -> None:
        self._application = application
        self.database = database
        self.account_id = account_id
        self.tokens = tokens
        self.settings = settings
        self._clients: dict[str, httpx.AsyncClient] = {}

    def as_(self, name: str) -> httpx.AsyncClient:
        if name not in self._clients:
            self._clients[name] = self.client(self.tokens[name])
        return self._clients[name]

    def client(self, token: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app=self._application, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://board", headers=headers, timeout=60)

    @property
    def person(self) -> httpx.AsyncClient:
        return self.as_(OWNER)

    async def task(self, **fields: Any) -> dict[str, Any]:
        answer = await self.person.post("/api/v1/tasks", json={"title": "A task"} | fields)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def claim(self, slug: str, task_id: str) -> int:
        """The fence of the task that the agent claims, or holds already."""
        answer = await self.as_(slug).post("/agent/task-claim", json={"task_id": task_id})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["lease"]["fence"])

    async def agent_id(self, slug: str) -> str:
        agents = (await self.person.get("/api/v1/agents")).json()["items"]
        return next(str(agent["id"]) for agent in agents if agent["slug"] == slug)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def data_dir(url: str) -> str:
    """One for each database, since boards of another one write other things into workspaces of the same name."""
    return str(Path(DATA) / urlsplit(url).path.strip("/"))


def settings_for(url: str, **fields: str) -> Settings:
    given = {"DATABASE_URL": url, "CALLBOARD_LOG_LEVEL": "error", "CALLBOARD_DATA_DIR": data_dir(url)} | fields
    return registry.load(given, None)


# What differs from board to board, and no application is made from.
ITS_OWN: dict[str, Any] = {
    "database_url": None,
    "data_dir": Path(),
    "worktrees_dir": None,
    "workspaces_dir": None,
    "gateway_config": None,
    "writable_repo_dir": None,
}
# Applications that nobody uses at the moment, by their other settings: making one takes a tenth of a second.
_idle: dict[Settings, list[Any]] = defaultdict(list)


@asynccontextmanager
async def applied(settings: Settings) -> AsyncIterator[Any]:
    """The application, served by nobody else meanwhile."""
    shelf = _idle[msgspec.structs.replace(settings, **ITS_OWN)]
    application: Any = shelf.pop() if shelf else main.create_app(settings)
    application.app.state.settings = settings
    yield application
    # Only after a good end; what a failed test leaves behind is nobody's.
    shelf.append(application)


@asynccontextmanager
async def opened(
    url: str, *, account_slug: str | None = None, gateway_url: str | None = None, seeds: Path = SEEDS, **fields: str
) -> AsyncIterator[Board]:
    """Seed an account and serve it; with `gateway_url` its agents are woken by prompts."""
    settings = settings_for(url, **fields)
    async with applied(settings) as application, application.app.lifespan():
        database = application.app.state.board.database
        report = await bootstrap.load(
            database, settings=settings, directory=seeds, account_slug=account_slug, gateway_url=gateway_url
        )
        board = Board(application, database, account_id=report.account_id, tokens=dict(report.credentials), settings=settings)
        try:
            yield board
        finally:
            await board.close()


@asynccontextmanager
async def in_own_task(context: Callable[[], AbstractAsyncContextManager[Board]]) -> AsyncIterator[Board]:
    """Enter and leave in one task, as the application's lifespan wants it; a fixture's two halves are two tasks."""
    ready: asyncio.Future[Board] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        try:
            async with context() as opened:
                ready.set_result(opened)
                await leave.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    holding = asyncio.create_task(hold())
    try:
        yield await ready
    finally:
        leave.set()
        await asyncio.gather(holding, return_exceptions=not ready.done() or ready.exception() is not None)
