"""A worker process: it claims as many commands as it has slots, runs them, and saves how they ended."""

import asyncio
import os
import random
import socket
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from app.kernel.db import Database
from app.kernel.errors import Fenced
from app.kernel.ids import new_id
from app.runtime import ledger, upkeep
from app.runtime.handlers import Attempt, Handlers, perform
from app.runtime.intake import Intake
from app.runtime.ledger import LARGEST_BATCH, Closing
from app.runtime.rules.profiles import profile_of
from app.runtime.types import Claim, CommandState

POLL_SECONDS = (0.5, 1.0)
LONGEST_COOLDOWN = 0.020
SHORTEST_COOLDOWN = 0.001
SMALLEST_SHARE = 4
GIVE_BACK_SECONDS = 5.0

log = structlog.get_logger()


class Worker:
    """Runs commands until told to stop; a lost database ends one life of it and starts another."""

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
    ) -> None:
        self.database = database
        self.url = url
        self.handlers = handlers
        self.slots = slots
        self.resources = resources
        self.drain_seconds = drain_seconds
        self.version = version
        self.fenced = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, finish what is in flight or give it back, and return."""
        pause = 0.1
        while not stop.is_set():
            try:
                await self._live(stop)
            except upkeep.GONE as error:
                log.warning("worker_life_lost", error=type(error).__name__, reason=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause * random.uniform(0.5, 1))  # noqa: S311
                pause = min(pause * 2, POLL_SECONDS[1])
            else:
                pause = 0.1

    async def _live(self, stop: asyncio.Event) -> None:
        worker_id = new_id()
        async with upkeep.worker_pool(self.url) as pool:
            life = Life(self, pool, worker_id)
            about = upkeep.About(host=socket.gethostname(), pid=os.getpid(), version=self.version, slots=self.slots)
            async with upkeep.registered(self.url, worker_id, about, hear=life.hear) as registration:
                await life.run(stop, registration)
                await registration.unregister()


class Life:
    """What one worker id does: every claim it holds ends saved, given back, or fenced out."""

    def __init__(self, worker: Worker, pool: Any, worker_id: UUID) -> None:
        self._worker = worker
        self._pool = pool
        self._id = worker_id
        self._intake = Intake(pool, worker_id)
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self._closings: list[Closing] = []
        self._stirred = asyncio.Event()
        self._due = asyncio.Event()
        self._is_giving_back = False
        self._is_saving = False
        self._has_heard = False
        self._crash: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear(self) -> None:
        """All workers were told that there is work."""
        self._has_heard = True
        self.stir()

    def stir(self) -> None:
        """There may be work for this one, or room for it."""
        self._stirred.set()

    async def run(self, stop: asyncio.Event, registration: upkeep.Registration) -> None:
        wakes = self._worker.database.wakes
        sides = [
            asyncio.create_task(registration.beat_forever()),
            asyncio.create_task(upkeep.reap_forever(self._pool, wakes=wakes, found=self.stir)),
            asyncio.create_task(self._close_forever()),
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
            await upkeep.ended([work, *sides, *self._tasks])

    async def _work(self, stop: asyncio.Event) -> None:
        told = asyncio.create_task(self._hear_stop(stop))
        try:
            await self._claim_until(stop)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._worker.drain_seconds)
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
            free = self._worker.slots - self._held
            claims = await self._intake.claim(free) if free and not self._is_about_to_free(free) else []
            self._start(claims)
            if claims:
                cooldown = 0.0
            elif free and was_heard:
                cooldown = min(max(cooldown * 2, SHORTEST_COOLDOWN), LONGEST_COOLDOWN)
            if claims and self._intake.may_have_more:
                continue
            if not await self._is_stirred_within(random.uniform(*POLL_SECONDS)):  # noqa: S311
                cooldown = 0.0
            elif self._has_heard:
                # A fleet that hears the same wake-up must not stampede for one command.
                await asyncio.sleep(random.uniform(0, cooldown))  # noqa: S311

    def _is_about_to_free(self, free: int) -> bool:
        # Slots that are being saved will soon allow for a larger claim.
        return self._is_saving and free * SMALLEST_SHARE < self._worker.slots

    async def _is_stirred_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), seconds)
        return self._stirred.is_set()

    def _start(self, claims: list[Claim]) -> None:
        self._held += len(claims)
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        upkeep.tell(self._worker.database.wakes, {claim.account_id for claim in claims})

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self._crash.done():
            self._crash.set_exception(error)

    async def _attempt(self, claim: Claim) -> None:
        worker = self._worker
        attempt = Attempt(claim, worker_id=self._id, database=worker.database, resources=worker.resources)
        try:
            failure = await perform(attempt, worker.handlers.get(claim.type), timeout=profile_of(claim.profile).timeout)
        except Fenced as error:
            self._fenced(claim, reason=str(error))
        except asyncio.CancelledError:
            if not self._is_giving_back:
                raise
            self._close(ledger.released(claim, worker_id=self._id))
        else:
            if attempt.is_finished:
                self._free(1, has_more=claim.lane_id is not None)
            elif failure is None:
                self._close(ledger.succeeded(claim, worker_id=self._id))
            else:
                log.info("attempt_failed", command=str(claim.id), type=claim.type, error=failure.error, reason=failure.message)
                self._close(ledger.failed(claim, failure, worker_id=self._id, jitter=random.random()))  # noqa: S311

    def _fenced(self, claim: Claim, *, reason: str) -> None:
        self._worker.fenced += 1
        log.warning("attempt_fenced", command=str(claim.id), attempt=claim.attempt, reason=reason)
        self._free(1, has_more=False)

    def _close(self, closing: Closing) -> None:
        self._closings.append(closing)
        self._due.set()

    def _free(self, slots: int, *, has_more: bool) -> None:
        """Let go of slots; `has_more` if their commands may have made others due, such as the next of a lane."""
        was_full = self._held * SMALLEST_SHARE > self._worker.slots * (SMALLEST_SHARE - 1)
        self._held -= slots
        if was_full or has_more or self._is_giving_back:
            self.stir()

    async def _close_forever(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._closings:
                batch, self._closings = self._closings[:LARGEST_BATCH], self._closings[LARGEST_BATCH:]
                self._is_saving = True
                saved = await ledger.close(self._pool, batch)
                self._is_saving = False
                self._closed(batch, saved)

    def _closed(self, batch: list[Closing], saved: set[tuple[UUID, UUID]]) -> None:
        lost = [closing for closing in batch if (closing.account_id, closing.id) not in saved]
        self._worker.fenced += len(lost)
        for closing in lost:
            log.warning("attempt_fenced", command=str(closing.id), attempt=closing.attempt, reason="it is not ours any more")
        for closing in batch:
            if closing.state is CommandState.RETRY_SCHEDULED:
                asyncio.get_running_loop().call_later(closing.delay, self.stir)
        upkeep.tell(self._worker.database.wakes, {closing.account_id for closing in batch})
        self._free(len(batch), has_more=any(closing.may_make_due for closing in batch))

    async def _give_back(self) -> None:
        """Cancel what still runs and release it, so that others need not wait for the reaper."""
        # A task that was not begun could not say that it was cancelled.
        await asyncio.sleep(0)
        self._is_giving_back = True
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                while self._held:
                    self._stirred.clear()
                    await self._stirred.wait()
