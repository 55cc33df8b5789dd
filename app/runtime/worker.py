"""A worker process: it claims as many commands as it has slots, runs them, and saves how they ended."""

import asyncio
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from app.kernel.db import Database
from app.kernel.ids import new_id
from app.kernel.wake import CONTROL, WORK
from app.runtime import ledger, upkeep
from app.runtime.counts import Counts
from app.runtime.handlers import Handlers
from app.runtime.intake import Intake
from app.runtime.ledger import Profiles
from app.runtime.life import Life
from app.runtime.ordered import OrderedIntake
from app.runtime.running import Means

LONGEST_PAUSE = 1.0

log = structlog.get_logger()


class Worker:
    """Runs commands until told to stop; a lost database ends one life of it and starts another.

    `profiles` says which profile is in force for an account, `jitter` spreads retries, `counts` is what it counts.
    """

    def __init__(  # noqa: PLR0913
        self,
        database: Database,
        url: str,
        *,
        handlers: Handlers,
        slots: int = 50,
        resources: Any = None,
        drain_seconds: float = 25.0,
        version: str = "",
        intake: Callable[[Any, UUID], Intake | OrderedIntake] = Intake,
        profiles: Profiles = ledger.built_in,
        jitter: Callable[[], float] = random.random,
        counts: Counts | None = None,
    ) -> None:
        self.database = database
        self.url = url
        self.slots = slots
        self.drain_seconds = drain_seconds
        self.version = version
        self.intake = intake
        self.counts = counts or Counts()
        self.means = Means(database, handlers=handlers, resources=resources, profiles=profiles, jitter=jitter, counts=self.counts)

    @property
    def fenced(self) -> int:
        return self.counts.fenced

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, finish what is in flight or give it back, and return."""
        pause = 0.1
        while not stop.is_set():
            try:
                await self._live(stop)
            except upkeep.GONE as error:
                self.counts.lives_lost += 1
                log.warning("worker_life_lost", error=type(error).__name__, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause * random.uniform(0.5, 1))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = 0.1

    async def _live(self, stop: asyncio.Event) -> None:
        worker_id = new_id()
        async with upkeep.worker_pool(self.url) as pool:
            life = Life(
                self.means,
                pool,
                worker_id,
                slots=self.slots,
                drain_seconds=self.drain_seconds,
                intake=self.intake(pool, worker_id),
            )
            about = upkeep.About(host=socket.gethostname(), pid=os.getpid(), version=self.version, slots=self.slots)
            hear = {WORK: life.hear_work, CONTROL: life.hear_control}
            async with upkeep.registered(self.url, worker_id, about, hear=hear) as registration:
                await life.run(stop, registration)
                await registration.unregister()
