"""A crew in an account of its own, from a copy of the product's seeds that a test may change."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.bootstrap import service
from app.bootstrap.types import Report
from app.kernel.db import Database
from app.kernel.settings import ROOT, Settings
from app.kernel.types import Origin


@dataclass
class Board:
    database: Database
    directory: Path
    slug: str = "crew"

    async def load(self, settings: Settings | None = None, **overrides: Any) -> Report:
        overrides = {"account_slug": self.slug} | overrides
        return await service.load(self.database, settings=settings or Settings(), directory=self.directory, **overrides)

    def rewrite(self, name: str, old: str, new: str) -> None:
        text = (self.directory / name).read_text()
        assert old in text
        (self.directory / name).write_text(text.replace(old, new))

    async def rows(self, account_id: UUID, sql: str, *arguments: object) -> list[Any]:
        origin = Origin(request_id="t", correlation_id="t", source="test")
        async with self.database.transaction(account_id, origin=origin) as tx:
            return await tx.rows(sql, account_id, *arguments)

    async def row(self, account_id: UUID, sql: str, *arguments: object) -> Any:
        (row,) = await self.rows(account_id, sql, *arguments)
        return row


@pytest.fixture
def board(database: Database, tmp_path: Path) -> Board:
    return Board(database, Path(shutil.copytree(ROOT / "seeds", tmp_path / "seeds")))
