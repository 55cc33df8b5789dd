"""A board whose crew works in worktrees of a bare repository on this disk, with a worker beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from app.runtime.taxonomy import REGISTRY
from app.runtime.worker import Worker
from tests import boards, make, remotes

KINDS = ("repository.sync", "repository.sweep", "worktree.settle")


def path_of(worktree: dict[str, Any]) -> Path:
    return Path(worktree["path"])


class Yard:
    """The board, the bare repository behind it, and the worktrees of its tasks."""

    def __init__(self, board: boards.Board, bare: Path) -> None:
        self.board = board
        self.bare = bare

    async def shown(self, task: dict[str, Any]) -> dict[str, Any]:
        """What is stored of the task's worktree."""
        answer = (await self.board.person.get(f"/api/v1/tasks/{task['id']}")).json()
        found: dict[str, Any] = answer.get("worktree")
        return found

    async def until(self, task: dict[str, Any], **wanted: Any) -> dict[str, Any]:
        async def holds() -> Any:
            found = await self.shown(task)
            return found if found and {name: found[name] for name in wanted} == wanted else None

        try:
            found: dict[str, Any] = await make.until(holds)
        except AssertionError:
            raise AssertionError(await self.shown(task)) from None
        return found

    async def begun(self, *, who: str = "engineer", title: str = "Mend the lamp") -> tuple[dict[str, Any], int, dict[str, Any]]:
        """A task that somebody works on: the task, its fence, and its worktree once that is ready."""
        task = await self.board.task(title=title, assignee_slugs=[who])
        fence = await self.board.claim(who, task["id"])
        return task, fence, await self.until(task, state="ready")

    async def ask(self, verb: str, task: dict[str, Any], *, who: str = "engineer", key: str | None = None, **body: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.board.as_(who).post(f"/agent/{verb}", json={"task_id": task["id"]} | body, headers=headers)

    @property
    def clone(self) -> Path:
        assert self.board.settings.writable_repo_dir
        return self.board.settings.writable_repo_dir

    async def lock(self, worktree: dict[str, Any]) -> str:
        """What git says about who works there."""
        listing = await asyncio.to_thread(remotes.git, "worktree", "list", "--porcelain", directory=self.clone)
        block = next(block for block in listing.split("\n\n") if worktree["branch"] in block)
        return next((line for line in block.splitlines() if line.startswith("locked")), "")

    async def is_locked(self, worktree: dict[str, Any], words: str) -> bool:
        return await self.lock(worktree) == words

    async def close(self, task: dict[str, Any]) -> None:
        for status in ("review", "done"):
            answer = await self.board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status})
            assert answer.is_success, answer.text


@asynccontextmanager
async def working(board: boards.Board) -> AsyncIterator[None]:
    handlers = {name: handler for name, handler in REGISTRY.handlers().items() if name in KINDS}
    stop = asyncio.Event()
    url = board.settings.database_url or ""
    running = asyncio.create_task(Worker(board.database, url, handlers=handlers, drain_seconds=2, jitter=lambda: 0.0).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


@asynccontextmanager
async def opened(url: str, tmp_path: Path, *, works: bool = True, **settings: str) -> AsyncIterator[Yard]:
    bare = remotes.bare(tmp_path / "origin.git")
    given: dict[str, Any] = {"CALLBOARD_DATA_DIR": str(tmp_path / "data"), "REPO_URL": remotes.url_of(bare)} | settings
    async with boards.opened(url, **given) as board, working(board) if works else nullcontext():
        yield Yard(board, bare)


@pytest.fixture
async def yard(urls, tmp_path) -> AsyncIterator[Yard]:
    ready: asyncio.Future[Yard] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        try:
            async with opened(urls[1], tmp_path) as made:
                ready.set_result(made)
                await leave.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    holding = asyncio.create_task(hold())
    yield await ready
    leave.set()
    await holding
