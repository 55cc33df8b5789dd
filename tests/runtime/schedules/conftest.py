"""Schedules of one account on a clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.kernel import clock, db
from app.kernel.types import ActorKind, Principal
from app.runtime import schedules
from app.runtime.scheduling import Scheduler
from app.runtime.schemas.schedules import NewSchedule
from tests import make

START = datetime(2031, 1, 6, 8, 0, tzinfo=UTC)


class World:
    """`await world.schedule(interval_seconds=60)` makes one, `await world.later(60)` lets time pass and fires what is due."""

    def __init__(self, database: Any, admin: Any, account_id: UUID) -> None:
        self.database, self.admin, self.account_id = database, admin, account_id
        self.who = Principal(kind=ActorKind.PERSON, id=UUID(int=7), account_id=account_id, name="Owner")
        self.scheduler = Scheduler(database, jitter=lambda: 0.5)

    def do(self) -> Any:
        return self.database.transaction(self.account_id, origin=make.ORIGIN)

    async def schedule(self, **fields: Any) -> Any:
        make.order()
        asked = NewSchedule(**{"name": "A schedule", "command_type": "test.noop"} | fields)
        async with self.do() as tx:
            return await schedules.create(tx, self.who, asked)

    async def move(self, seconds: float) -> None:
        await self.admin.execute("UPDATE runtime_clock SET at = at + $1", timedelta(seconds=seconds))

    async def later(self, seconds: float) -> list[str]:
        """The ticks that fired, as seconds from the start."""
        before = set(await self.keys())
        await self.move(seconds)
        await self.scheduler.turn()
        return [key for key in await self.keys() if key not in before]

    async def keys(self) -> list[str]:
        rows = await self.admin.fetch("SELECT idempotency_key FROM runtime_commands ORDER BY created_at, idempotency_key")
        return [row["idempotency_key"] for row in rows]

    async def ticks(self) -> list[float]:
        """When its commands were due, in seconds from the start."""
        return [(datetime.fromisoformat(key.split(":", 2)[2]) - START).total_seconds() for key in await self.keys()]

    async def row(self, schedule_id: UUID) -> Any:
        return await self.admin.fetchrow("SELECT * FROM runtime_schedules WHERE id = $1", schedule_id)

    async def events(self) -> list[str]:
        rows = await self.admin.fetch("SELECT type FROM events WHERE entity_kind = 'schedule' ORDER BY seq")
        return [row["type"].rpartition(":")[2] for row in rows]


@pytest.fixture
async def world(urls, admin, database) -> World:
    await clock.choose(admin, clock.SIMULATED, reader=db.AUTH_ROLE, at=START)
    return World(database, admin, await make.account(admin))
