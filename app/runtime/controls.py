"""What the accounts have set, as one process knows it: read when told of a change, and each second anyway."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app.kernel.db import Database
from app.kernel.wake import CONTROL, Wakes
from app.runtime.queries import everywhere as queries
from app.runtime.rules.profiles import profile_of
from app.runtime.rules.settings import SETTINGS, STALE_SECONDS, Value, meant
from app.runtime.rules.tuning import tuned
from app.runtime.types import Profile

POLL_SECONDS = 1.0
# Soon again, since a process that cannot read stops more and more.
RETRY_SECONDS = 0.2
PATIENCE_SECONDS = 2.0

log = structlog.get_logger()


class Controls:
    """A snapshot of all accounts, replaced as a whole; when it is too old, switches count as engaged and features as off."""

    def __init__(self, pool: Any, *, wakes: Wakes, monotonic: Callable[[], float] | None = None) -> None:
        self._pool = pool
        self._monotonic = monotonic or asyncio.get_running_loop().time
        self._read_at = float("-inf")
        self._values: dict[tuple[UUID, str], Value] = {}
        self._profiles: dict[tuple[UUID, str], Profile] = {}
        self._stirred = asyncio.Event()
        wakes.on_heard(self._heard)

    @property
    def age(self) -> float:
        """For how many seconds nothing was heard of the truth."""
        return self._monotonic() - self._read_at

    def flag(self, account_id: UUID, name: str) -> bool:
        """Whether the flag is on, or the kill switch engaged."""
        blind = SETTINGS[name].blind
        if blind is not None and self.age > STALE_SECONDS:
            return blind
        return self._values.get((account_id, name), SETTINGS[name].default) is True

    def limit(self, account_id: UUID, name: str) -> int:
        return int(self._values.get((account_id, name), SETTINGS[name].default))

    def profile(self, account_id: UUID, name: str) -> Profile:
        """The profile as the account tuned it."""
        return self._profiles.get((account_id, name)) or profile_of(name)

    async def refresh(self) -> None:
        """Read everything anew."""
        asked_at = self._monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            rows = await self._pool.fetch(queries.CONTROLS)
        values: dict[tuple[UUID, str], Value] = {}
        profiles: dict[tuple[UUID, str], Profile] = {}
        for row in rows:
            place, stored = (row["account_id"], row["name"]), msgspec.json.decode(row["value"])
            if row["kind"] == "profile":
                profiles[place] = tuned(row["name"], stored)
            elif row["name"] in SETTINGS:
                values[place] = meant(SETTINGS[row["name"]], stored)
        self._values, self._profiles, self._read_at = values, profiles, asked_at

    async def is_refreshed(self) -> bool:
        """Try to read everything anew."""
        try:
            await self.refresh()
        except Exception as error:  # noqa: BLE001 whatever keeps it from reading, it reads again
            log.warning("controls_not_read", error=type(error).__name__, age=self.age)
            return False
        return True

    async def run(self) -> None:
        """Stay up to date for as long as the process lives."""
        while True:
            self._stirred.clear()
            pause = POLL_SECONDS if await self.is_refreshed() else RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), pause * random.uniform(0.8, 1))  # noqa: S311

    def _heard(self, channel: str, _subjects: frozenset[str]) -> None:
        if channel == CONTROL:
            self._stirred.set()


@asynccontextmanager
async def steered(database: Database) -> AsyncIterator[Controls]:
    """Give the database's process its controls, which have tried to read the truth before the block begins."""
    controls = Controls(database.runtime, wakes=database.wakes)
    await controls.is_refreshed()
    database.controls = controls
    running = asyncio.create_task(controls.run())
    try:
        yield controls
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
