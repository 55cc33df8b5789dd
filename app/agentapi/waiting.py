"""Agents that wait for work: they hold no connection, a wake-up or a shared safety query makes them look again."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from app.events import queries
from app.kernel.wake import BOARD, EVERYTHING, Wakes

SAFETY_SECONDS = 3.0


class Waiting:
    """The agents of one process that wait, by account."""

    def __init__(self, runtime_pool: Any, *, wakes: Wakes) -> None:
        self._pool = runtime_pool
        self._waiters: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._accounts: dict[UUID, int] = {}
        self._pulses: dict[UUID, int] = {}
        wakes.on_heard(self._heard)
        wakes.on_lost(self._everybody)

    @contextmanager
    def place(self, account_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever something happens in the account."""
        event = asyncio.Event()
        subject = str(account_id)
        self._waiters[subject].add(event)
        self._accounts[account_id] = self._accounts.get(account_id, 0) + 1
        try:
            yield event
        finally:
            self._waiters[subject].discard(event)
            self._accounts[account_id] -= 1
            if not self._accounts[account_id]:
                self._waiters.pop(subject, None)
                self._accounts.pop(account_id)
                self._pulses.pop(account_id, None)

    def _heard(self, channel: str, subjects: frozenset[str]) -> None:
        if channel != BOARD:
            return
        if EVERYTHING in subjects:
            self._everybody()
            return
        for subject in subjects:
            for event in self._waiters.get(subject, ()):
                event.set()

    def _everybody(self) -> None:
        for events in self._waiters.values():
            for event in events:
                event.set()

    async def run(self) -> None:
        """One jittered query for all waiters of this process, in case a wake-up was lost."""
        while True:
            await asyncio.sleep(SAFETY_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311
            if self._accounts:
                with contextlib.suppress(Exception):
                    await self._look()

    async def _look(self) -> None:
        for row in await self._pool.fetch(queries.PULSES, list(self._accounts)):
            before = self._pulses.get(row["account_id"])
            self._pulses[row["account_id"]] = row["last_seq"]
            if before is not None and before != row["last_seq"]:
                for event in self._waiters.get(str(row["account_id"]), ()):
                    event.set()
