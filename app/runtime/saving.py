"""Saves the ends of attempts in batches, each of at most two hundred."""

import asyncio
from collections.abc import Callable
from typing import Any

from app.runtime import ledger
from app.runtime.closings import Closing
from app.runtime.ledger import LARGEST_BATCH, Key
from app.runtime.types import CommandState


class Saving:
    """What waits to be saved; `saved` hears of each batch with the states that the ledger has for it."""

    def __init__(self, pool: Any, *, saved: Callable[[list[Closing], dict[Key, CommandState]], None]) -> None:
        self._pool = pool
        self._saved = saved
        self._waiting: list[Closing] = []
        self._due = asyncio.Event()
        self.is_busy = False

    def add(self, closing: Closing) -> None:
        self._waiting.append(closing)
        self._due.set()

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._waiting:
                # One statement over thousands of rows is planned badly where the tables are fresh.
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                self.is_busy = True
                states = await ledger.saved(self._pool, batch)
                self.is_busy = False
                self._saved(batch, states)
