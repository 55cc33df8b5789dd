"""Accounts of their own on one shared board, so that what one case does no other case sees."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.bootstrap import service as bootstrap
from tests import boards

AGENTS = ("engineer", "engineer-2", "writer", "reviewer", "orchestrator")


class World(boards.Board):
    """A board of one account; `things` are what a case calls by name, `born` is the last event of its seeds."""

    def __init__(self, application: Any, database: Any, **fields: Any) -> None:
        super().__init__(application, database, **fields)
        self.things: dict[str, Any] = {}
        self.born = 0

    async def done(self, who: str, path: str, **body: Any) -> dict[str, Any]:
        """Something that must work, asked over HTTP; `who` may be `person`."""
        client = self.person if who == "person" else self.as_(who)
        answer = await client.post(path, json=body)
        assert answer.is_success, (path, body, answer.text)
        said: dict[str, Any] = answer.json() if answer.content else {}
        return said

    async def got(self, path: str) -> Any:
        answer = await self.person.get(path)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def filled(self, value: Any) -> Any:
        """`"{task}"` stands for the thing of that name, also inside longer text."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.filled(item) for item in value]
        if not isinstance(value, str):
            return value
        for name, thing in self.things.items():
            if value == f"{{{name}}}":
                return thing
            value = value.replace(f"{{{name}}}", str(thing))
        return value


class Stage:
    """The served board that all worlds share."""

    def __init__(self, board: boards.Board, seeds: Path) -> None:
        self.board = board
        self.seeds = seeds

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        board = self.board
        report = await bootstrap.load(
            board.database, settings=board.settings, directory=self.seeds, account_slug=f"w-{uuid4().hex[:12]}"
        )
        tokens = dict(report.credentials)
        made = World(board._application, board.database, account_id=report.account_id, tokens=tokens, settings=board.settings)
        made.things["absent"] = str(uuid4())
        made.born = int((await made.got("/api/v1/events?after=0&limit=200"))["next_cursor"])
        try:
            yield made
        finally:
            await made.close()
