"""A board on a simulated clock with its worker, in this process, spoken to over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app import main
from tests import boards
from tests.boards import Board

CLOCK = "/api/v1/admin/clock"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


class World:
    """`board` with hands on its clock."""

    def __init__(self, board: Board) -> None:
        self.board = board

    async def advance(self, seconds: float = 0) -> dict[str, Any]:
        """Let time pass, and wait until all that was due is done."""
        reached = await self._move("advance", {"seconds": seconds})
        steps, was = reached["steps"], reached["was"]
        while not reached["is_complete"]:
            assert "too long" in reached["detail"], reached
            reached = await self._move("advance", {"to": reached["target"]})
            steps += reached["steps"]
        return reached | {"steps": steps, "was": was}

    async def jump(self, **asked: Any) -> dict[str, Any]:
        return await self._move("jump", asked)

    async def now(self) -> str:
        return str((await self.board.person.get(CLOCK)).json()["now"])

    async def _move(self, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
        answer = await self.board.person.post(f"{CLOCK}/{verb}", json=asked)
        assert answer.status_code == 200, answer.text
        moved: dict[str, Any] = answer.json()
        return moved


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[World]:
    async with boards.in_own_task(lambda: boards.opened(url, CALLBOARD_CLOCK="simulated")) as board, working(board):
        yield World(board)


@asynccontextmanager
async def working(board: Board) -> AsyncIterator[None]:
    """A worker as `./callboard worker` runs it."""
    stop = asyncio.Event()
    running = asyncio.create_task(main.run_worker(board.settings, stop))
    try:
        yield
    finally:
        stop.set()
        await running
