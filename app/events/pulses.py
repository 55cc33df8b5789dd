"""The safety of all in this process who wait for something new: one jittered query, in case a wake-up was lost."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from app.events import queries

SAFETY_SECONDS = 3.0

Accounts = Callable[[], Iterable[UUID]]
Moved = Callable[[UUID], None]


class Pulses:
    """Tells those who wait which accounts' logs have grown."""

    def __init__(self, runtime_pool: Any) -> None:
        self._pool = runtime_pool
        self._followers: list[tuple[Accounts, Moved]] = []
        self._known: dict[UUID, int] = {}

    def follow(self, accounts: Accounts, moved: Moved) -> None:
        """Call `moved` with each account of `accounts` whose log grew between two looks, and at the first look."""
        self._followers.append((accounts, moved))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(SAFETY_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311
            with contextlib.suppress(Exception):
                await self._look()

    async def _look(self) -> None:
        wanted = {account_id for accounts, _ in self._followers for account_id in accounts()}
        if not wanted:
            self._known.clear()
            return
        before = self._known
        self._known = {row["account_id"]: row["last_seq"] for row in await self._pool.fetch(queries.PULSES, list(wanted))}
        for account_id, last_seq in self._known.items():
            if before.get(account_id) != last_seq:
                for _, moved in self._followers:
                    moved(account_id)
