"""Firing what is due: any number of processes may run schedulers, and each tick runs once."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from app.kernel.db import LOST, Database
from app.kernel.errors import CallboardError, Overloaded
from app.kernel.ids import new_id
from app.kernel.types import Origin
from app.kernel.wake import CONTROL
from app.runtime import firing
from app.runtime.firing import Limits
from app.runtime.queries import everywhere
from app.runtime.taxonomy import REGISTRY, Taxonomy

LONGEST_SLEEP = 1.0
# Another scheduler has what is due in hand.
SHORTEST_SLEEP = 0.02
LOOK_FOR_FAILURES_EVERY = 5.0
PASSING = (*LOST, OSError, TimeoutError, asyncpg.PostgresError, CallboardError)

log = structlog.get_logger()


class Scheduler:
    """Turns the due ticks of all accounts into commands; `jitter` draws from [0, 1).

    What keeps failing is noticed at its next tick, and each `failures_every` real seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        registry: Taxonomy = REGISTRY,
        jitter: Callable[[], float] = random.random,
        failures_every: float = LOOK_FOR_FAILURES_EVERY,
    ) -> None:
        self._database = database
        self._failures_every = failures_every
        self._registry = registry
        self._jitter = jitter
        self._stirred = asyncio.Event()
        self._looked = float("-inf")
        database.wakes.on_heard(self._heard)

    def _heard(self, channel: str, _subjects: frozenset[str]) -> None:
        # A schedule was changed, or a simulated clock moved.
        if channel == CONTROL:
            self._stirred.set()

    async def run(self) -> None:
        """Fire for as long as the process lives; what the database breaks off is tried again."""
        while True:
            self._stirred.clear()
            seconds = LONGEST_SLEEP
            try:
                seconds = await self.turn()
            except PASSING as error:
                log.warning("scheduler_turn_failed", error=type(error).__name__, reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), seconds)

    async def beside(self, work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
        """Run while `work` does; should it break, it stops the work too, so that the process is started anew."""
        ticking = asyncio.create_task(self.run())
        ticking.add_done_callback(lambda _: stop.set())
        try:
            await work
        finally:
            ticking.cancel()
            [error] = await asyncio.gather(ticking, return_exceptions=True)
        if isinstance(error, Exception):
            raise error

    async def turn(self) -> float:
        """Fire all that is due now; answers for how many seconds there is nothing to do."""
        row = await self._database.runtime.fetchrow(everywhere.SCHEDULES_DUE, self._known())
        failing = await self._failing()
        accounts = {UUID(int=one.int) for one in row["accounts"]}
        fired = [await self._fire(account_id, failing.get(account_id, [])) for account_id in sorted(accounts | failing.keys())]
        if accounts:
            return 0.0 if any(fired) else SHORTEST_SLEEP * random.uniform(1, 3)  # noqa: S311
        return LONGEST_SLEEP if row["seconds"] is None else min(max(row["seconds"], 0.0), LONGEST_SLEEP)

    async def _failing(self) -> dict[UUID, list[UUID]]:
        """Schedules that failed since their last tick, by account; the look costs more than one for what is due."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < self._failures_every:
            return {}
        self._looked = now
        rows = await self._database.runtime.fetch(everywhere.SCHEDULES_FAILING)
        return {UUID(int=row["account_id"].int): row["ids"] for row in rows}

    async def _fire(self, account_id: UUID, failing: Sequence[UUID]) -> int:
        """How many schedules of the account were taken; what stops one account does not stop the others."""
        try:
            return len(await self._fire_at_once(account_id, Limits(known=self._known()), failing=failing))
        except Overloaded:
            # A full queue stops what goes there, and not the other schedules.
            return await self._fire_singly(account_id)
        except PASSING as error:
            log.warning("schedules_not_fired", account=str(account_id), error=type(error).__name__, reason=str(error))
            return 0

    async def _fire_singly(self, account_id: UUID) -> int:
        fired, full = 0, list[UUID]()
        for _ in range(firing.MOST_AT_ONCE):
            limits, taken = Limits(known=self._known(), most=1, without=full), list[UUID]()
            try:
                if not await self._fire_at_once(account_id, limits, taken=taken):
                    break
                fired += 1
            except Overloaded:
                full = [*full, *taken]
        return fired

    async def _fire_at_once(
        self, account_id: UUID, limits: Limits, *, failing: Sequence[UUID] = (), taken: list[UUID] | None = None
    ) -> list[UUID]:
        call, taken = new_id(), [] if taken is None else taken
        origin = Origin(request_id=str(call), correlation_id=call.hex, source="schedule")
        async with self._database.transaction(account_id, origin=origin) as tx:
            taken += await firing.fire(tx, limits, failing=failing, jitter=self._jitter)
        return taken

    def _known(self) -> list[str]:
        return [kind.name for kind in self._registry.all()]
