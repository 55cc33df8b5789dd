"""A board whose workers write workspaces into a directory of the test's own."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.kernel import db
from tests import boards, gateways, make

CHANGED = "SELECT version FROM agent_workspaces w JOIN agents a ON a.id = w.agent_id WHERE a.slug = $1"
OPEN = """
SELECT count(*) FROM runtime_commands WHERE type LIKE 'workspace.%' AND state IN ('queued', 'running', 'retry_scheduled')
"""


class Told(db._Connection):
    """A connection that tells what it sent."""

    sent: list[str] = []

    async def fetch(self, query, *arguments, **options):
        Told.sent.append(query)
        return await super().fetch(query, *arguments, **options)

    async def fetchval(self, query, *arguments, **options):
        Told.sent.append(query)
        return await super().fetchval(query, *arguments, **options)


@dataclass
class Desk:
    """`await desk.sync()` has all workspaces written, `desk.path("engineer", "SOUL.md")` is one of their files."""

    board: boards.Board
    admin: Any
    root: Path
    sent: list[str] = field(default_factory=lambda: Told.sent)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def path(self, slug: str, name: str = "") -> Path:
        return self.root / "demo" / slug / name

    def read(self, slug: str, name: str) -> str:
        return self.path(slug, name).read_text()

    async def done(self) -> None:
        """Wait until no order is open."""

        async def nothing_open() -> bool:
            async with self.looking:
                return bool(await self.admin.fetchval(OPEN) == 0)

        await make.until(nothing_open)

    async def sync(self, **payload: Any) -> dict[str, Any]:
        answer = await self.board.person.post(
            "/api/v1/admin/runtime/commands", json={"command_type": "workspace.sync", "payload": payload}
        )
        assert answer.status_code in {200, 201, 202}, answer.text
        await self.done()
        async with self.looking:
            result = await self.admin.fetchval("SELECT result::text FROM runtime_commands WHERE id = $1", answer.json()["id"])
        return msgspec.json.decode(result, type=dict[str, Any])

    async def view(self, slug: str) -> dict[str, Any]:
        answer = await self.board.person.get(f"/api/v1/agents/{await self.board.agent_id(slug)}/workspace")
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=dict[str, Any])

    async def edit(self, slug: str, **fields: Any) -> None:
        answer = await self.board.person.patch(f"/api/v1/agents/{await self.board.agent_id(slug)}", json=fields)
        assert answer.status_code == 200, answer.text
        await self.done()

    async def events(self, slug: str) -> list[tuple[str, int]]:
        rows = await self.admin.fetch(
            "SELECT type, sequence FROM events WHERE entity_kind = 'workspace' AND entity_id = $1 ORDER BY seq",
            UUID(await self.board.agent_id(slug)),
        )
        return [(row["type"].rpartition(":")[2], row["sequence"]) for row in rows]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data" / "workspaces"


@pytest.fixture
async def desk(urls, admin, root, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Told)

    def opening():
        return boards.opened(
            urls[1],
            gateway_url="http://gateway.example",
            CALLBOARD_DATA_DIR=str(root.parent),
            CALLBOARD_GATEWAY_DATA_DIR="/data",
        )

    async with boards.in_own_task(opening) as board, gateways.working(board.settings):
        yield Desk(board, admin, root)
