"""A repository to clone from, on disk and over HTTP, and a worker beside the board."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.runtime.taxonomy import REGISTRY
from app.runtime.worker import Worker
from tests import boards, make, remotes
from tests.remotes import Host

KINDS = ("repository.sync", "repository.sweep", "worktree.settle")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A repository with one commit on `trunk`, at an odd place."""
    return remotes.bare(tmp_path / "the origins" / "odd.git", files={"README.md": "Hello\n"})


@pytest.fixture
def host(bare: Path) -> Iterator[Host]:
    with remotes.serving(bare.parent) as host:
        yield host


async def stalled(host: Host) -> None:
    assert await asyncio.to_thread(host.stalled.wait, 20)


@asynccontextmanager
async def opened(url: str, data: Path, account_slug: str | None = None, **settings: str) -> AsyncIterator[boards.Board]:
    def enter() -> AbstractAsyncContextManager[boards.Board]:
        return boards.opened(url, account_slug=account_slug, CALLBOARD_DATA_DIR=str(data), **settings)  # type: ignore[arg-type]

    async with boards.in_own_task(enter) as board:
        yield board


@asynccontextmanager
async def working(board: boards.Board, url: str) -> AsyncIterator[None]:
    """A worker in this process, which does what concerns repositories."""
    handlers = {name: handler for name, handler in REGISTRY.handlers().items() if name in KINDS}
    stop = asyncio.Event()
    running = asyncio.create_task(Worker(board.database, url, handlers=handlers, drain_seconds=2, jitter=lambda: 0.0).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def settled(board: boards.Board, name: str = "primary") -> dict[str, Any]:
    """The repository once nothing is under way any more."""

    async def over() -> Any:
        items = (await board.person.get("/api/v1/repositories")).json()["items"]
        found = next(one for one in items if one["name"] == name)
        return None if found["clone"]["is_pending"] else found

    found: dict[str, Any] = await make.until(over)
    return found
