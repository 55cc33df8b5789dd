"""What one worker id does: it claims as many commands as it has slots, runs them, and saves how they ended."""

import asyncio
import random
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from app.kernel.wake import EVERYTHING
from app.runtime import ledger, upkeep
from app.runtime.closings import Closing
from app.runtime.intake import Intake
from app.runtime.ledger import Key
from app.runtime.ordered import OrderedIntake
from app.runtime.queries import workers as queries
from app.runtime.running import ABANDON_SECONDS, Means, Running
from app.runtime.saving import Saving
from app.runtime.types import Claim, CommandState

POLL_SECONDS = (0.5, 1.0)
LONGEST_COOLDOWN = 0.020
SHORTEST_COOLDOWN = 0.001
SMALLEST_SHARE = 4
# What is left of a drain for handlers that must be cut short, and for saving that.
GIVE_BACK_SECONDS = ABANDON_SECONDS + 1.0

log = structlog.get_logger()


class Life:
    """Every claim of this worker id ends saved, given back, or fenced out."""

    def __init__(
        self, means: Means, pool: Any, worker_id: UUID, *, slots: int, drain_seconds: float, intake: Intake | OrderedIntake
    ) -> None:
        self._means = means
        self._pool = pool
        self._id = worker_id
        self._slots = slots
        self._drain_seconds = drain_seconds
        self._intake = intake
        self._saving = Saving(pool, saved=self._saved)
        self._running = Running(means, worker_id, close=self._saving.add, freed=self._freed, crashed=self._crashed)
        self._held = 0
        self._stirred = asyncio.Event()
        self._asked = asyncio.Event()
        self._is_limit_changed = False
        self._is_giving_back = False
        self._has_heard = False
        self._crash: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear_work(self, _said: str) -> None:
        """All workers were told that there is work."""
        self._has_heard = True
        self.stir()

    def hear_control(self, said: str) -> None:
        """Somebody changed what governs these accounts, or wants something of theirs canceled."""
        accounts = set(said.split(","))
        self._is_limit_changed |= EVERYTHING not in accounts
        if EVERYTHING not in accounts or self._running.tasks:
            self._asked.set()

    def stir(self) -> None:
        """There may be work for this one, or room for it."""
        self._stirred.set()

    async def run(self, stop: asyncio.Event, registration: upkeep.Registration) -> None:
        wakes, counts, profiles = self._means.database.wakes, self._means.counts, self._means.profiles
        sides = [
            asyncio.create_task(registration.beat_forever()),
            asyncio.create_task(upkeep.reap_forever(self._pool, wakes=wakes, found=self.stir, profiles=profiles, counts=counts)),
            asyncio.create_task(self._saving.run()),
            asyncio.create_task(self._obey_forever()),
        ]
        work = asyncio.create_task(self._work(stop))
        try:
            done, _ = await asyncio.wait([work, *sides, self._crash], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            work.cancel()
            await self._give_back()
            raise
        finally:
            await upkeep.ended([work, *sides])
            await self._running.let_go()

    async def _obey_forever(self) -> None:
        """Look for what is to be canceled when somebody says so, and with each beat."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), upkeep.BEAT_SECONDS)
            self._asked.clear()
            if self._running.tasks:
                rows = await self._pool.fetch(queries.UNWANTED, self._id)
                self._running.cancel((row["account_id"], row["id"], row["attempt"]) for row in rows)
            if self._is_limit_changed:
                self._is_limit_changed = False
                await ledger.refresh_limits(self._pool)

    async def _work(self, stop: asyncio.Event) -> None:
        told = asyncio.create_task(self._hear_stop(stop))
        try:
            await self._claim_until(stop)
            if tasks := self._running.tasks:
                patience = self._drain_seconds - min(GIVE_BACK_SECONDS, self._drain_seconds / 2)
                await asyncio.wait(tasks, timeout=patience)
            await self._give_back()
        finally:
            told.cancel()

    async def _hear_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.stir()

    async def _claim_until(self, stop: asyncio.Event) -> None:
        cooldown = 0.0
        while not stop.is_set():
            self._stirred.clear()
            was_heard, self._has_heard = self._has_heard, False
            free = self._slots - self._held
            is_asking = free > 0 and not self._is_about_to_free(free)
            claims = await self._claim(free) if is_asking else []
            if claims:
                cooldown = 0.0
            elif free and was_heard:
                cooldown = min(max(cooldown * 2, SHORTEST_COOLDOWN), LONGEST_COOLDOWN)
            if is_asking and self._intake.may_have_more:
                continue
            if not await self._is_stirred_within(random.uniform(*POLL_SECONDS)):  # noqa: S311
                cooldown = 0.0
            elif self._has_heard:
                # A fleet that hears the same wake-up must not stampede for one command.
                await asyncio.sleep(random.uniform(0, cooldown))  # noqa: S311

    async def _claim(self, free: int) -> list[Claim]:
        claims = await self._intake.claim(free)
        counts = self._means.counts
        counts.claimed(claims)
        counts.empty_claims += not claims
        self._held += len(claims)
        self._running.start(claims)
        upkeep.tell(self._means.database.wakes, {claim.account_id for claim in claims})
        return claims

    def _is_about_to_free(self, free: int) -> bool:
        # Slots that are being saved will soon allow for a larger claim.
        return self._saving.is_busy and free * SMALLEST_SHARE < self._slots

    async def _is_stirred_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), seconds)
        return self._stirred.is_set()

    def _crashed(self, error: BaseException) -> None:
        if not self._crash.done():
            self._crash.set_exception(error)

    def _freed(self, _claim: Claim, has_more: bool) -> None:  # noqa: FBT001
        self._free(1, has_more=has_more)

    def _free(self, slots: int, *, has_more: bool) -> None:
        """Let go of slots; `has_more` if their commands may have made others due, such as the next of a lane."""
        was_full = self._held * SMALLEST_SHARE > self._slots * (SMALLEST_SHARE - 1)
        self._held -= slots
        if was_full or has_more or self._is_giving_back:
            self.stir()

    def _saved(self, batch: list[Closing], states: dict[Key, CommandState]) -> None:
        for closing in batch:
            if (closing.account_id, closing.id) not in states:
                log.warning("attempt_fenced", command=str(closing.id), attempt=closing.attempt, reason="it is not ours any more")
                self._means.counts.fenced += 1
            elif closing.state is CommandState.RETRY_SCHEDULED:
                asyncio.get_running_loop().call_later(closing.delay, self.stir)
        upkeep.tell(self._means.database.wakes, {closing.account_id for closing in batch})
        self._free(len(batch), has_more=any(closing.may_make_due for closing in batch))

    async def _give_back(self) -> None:
        """Cut short what still runs and release it, so that others need not wait for the reaper."""
        # A task that was not begun could not be told from one that gave up.
        await asyncio.sleep(0)
        self._is_giving_back = True
        self._running.give_back()
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                while self._held:
                    self._stirred.clear()
                    await self._stirred.wait()
