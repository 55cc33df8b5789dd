"""The attempts that a worker runs: each has a deadline, may be cut short, and is closed exactly once."""

import asyncio
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from app.runtime import closings
from app.runtime.closings import Closing, Failure
from app.runtime.counts import Counts
from app.runtime.handlers import Attempt, Handlers, perform
from app.runtime.ledger import Profiles
from app.runtime.types import Claim, CommandState, ErrorClass, Profile

# A handler that swallows its cancellation is left behind after this long.
ABANDON_SECONDS = 5.0
FROM_WITHIN = Failure(error=ErrorClass.INTERNAL, message="CancelledError: its handler cancelled itself")

# Account, command and attempt.
Place = tuple[UUID, UUID, int]

log = structlog.get_logger()


class Cut(StrEnum):
    """Why an attempt was cut short."""

    TIMEOUT = "timeout"
    CANCELED = "canceled"
    GIVEN_BACK = "given_back"


class Run:
    """One attempt that is under way."""

    __slots__ = ("attempt", "began", "claim", "cut", "is_closed", "profile", "task", "timer")

    def __init__(self, attempt: Attempt, task: asyncio.Task[Failure | None], *, began: float) -> None:
        self.attempt = attempt
        self.claim = attempt.claim
        self.profile = attempt.profile
        self.task = task
        self.began = began
        self.cut: Cut | None = None
        self.is_closed = False
        self.timer: asyncio.TimerHandle | None = None


class Means:
    """What attempts are run with."""

    __slots__ = ("counts", "database", "handlers", "jitter", "profiles", "resources")

    def __init__(
        self,
        database: Any,
        *,
        handlers: Handlers,
        resources: Any,
        profiles: Profiles,
        jitter: Callable[[], float],
        counts: Counts,
    ) -> None:
        self.database = database
        self.handlers = handlers
        self.resources = resources
        self.profiles = profiles
        self.jitter = jitter
        self.counts = counts


class Running:
    """Runs claims; `close` gets each end that is to be saved, `freed` hears of those that need no saving."""

    def __init__(
        self,
        means: Means,
        worker_id: UUID,
        *,
        close: Callable[[Closing], None],
        freed: Callable[[Claim, bool], None],
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._means = means
        self._id = worker_id
        self._close = close
        self._freed = freed
        self._crashed = crashed
        self._runs: dict[Place, Run] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def tasks(self) -> list[asyncio.Task[Failure | None]]:
        return [run.task for run in self._runs.values()]

    def start(self, claims: Iterable[Claim]) -> None:
        """Begin an attempt of each."""
        means = self._means
        for claim in claims:
            profile: Profile = means.profiles(claim.account_id, claim.profile)
            attempt = Attempt(claim, worker_id=self._id, database=means.database, resources=means.resources, profile=profile)
            task = asyncio.create_task(perform(attempt, means.handlers.get(claim.type)))
            run = Run(attempt, task, began=self._loop.time())
            run.timer = self._loop.call_later(profile.timeout, self._cut, run, Cut.TIMEOUT)
            self._runs[_place(claim)] = run
            task.add_done_callback(partial(self._done, run))

    def cancel(self, places: Iterable[Place]) -> None:
        """Cut short the attempts of commands that somebody wants canceled."""
        for place in places:
            if place in self._runs:
                self._cut(self._runs[place], Cut.CANCELED)

    def give_back(self) -> None:
        """Cut short whatever runs, to be tried elsewhere."""
        for run in list(self._runs.values()):
            self._cut(run, Cut.GIVEN_BACK)

    async def let_go(self) -> None:
        """End everything unsaved, because this worker may count as dead; what does not end is left behind, unable to write."""
        runs = list(self._runs.values())
        for run in runs:
            self._stop_timer(run)
            run.is_closed = True
            run.task.cancel()
        if not runs:
            return
        await asyncio.wait([run.task for run in runs], timeout=ABANDON_SECONDS)
        for run in runs:
            run.attempt.is_over = True
            if not run.task.done():
                self._leave_behind(run)
        self._runs.clear()

    def _cut(self, run: Run, cut: Cut) -> None:
        if run.cut is not None or run.is_closed:
            return
        run.cut = cut
        run.task.cancel()
        self._stop_timer(run)
        run.timer = self._loop.call_later(ABANDON_SECONDS, self._abandon, run)

    def _abandon(self, run: Run) -> None:
        if not run.is_closed:
            self._leave_behind(run)
            self._end(run, self._closing(run, FROM_WITHIN))

    def _leave_behind(self, run: Run) -> None:
        run.attempt.is_over = True
        self._means.counts.abandon(run.claim)
        log.error("attempt_abandoned", command=str(run.claim.id), type=run.claim.type, attempt=run.claim.attempt)

    def _done(self, run: Run, task: asyncio.Task[Failure | None]) -> None:
        self._stop_timer(run)
        error = None if task.cancelled() else task.exception()
        if run.is_closed:
            return
        if error is not None:
            self._leave(run, has_more=False)
            self._crashed(error)
        elif run.attempt.is_finished:
            self._count(run, "succeeded", None)
            self._leave(run, has_more=run.claim.lane_id is not None)
        else:
            self._end(run, self._closing(run, FROM_WITHIN if task.cancelled() else task.result()))

    def _closing(self, run: Run, failure: Failure | None) -> Closing:
        about: dict[str, Any] = {"worker_id": self._id, "profile": run.profile, "spending": run.attempt.spending}
        if run.cut is Cut.CANCELED:
            return closings.canceled(run.claim, **about)
        if run.cut is Cut.TIMEOUT:
            failure = Failure(error=ErrorClass.TIMEOUT, message=f"it took longer than {run.profile.timeout:g} s")
        elif run.cut is Cut.GIVEN_BACK and failure is not None:
            return closings.released(run.claim, **about)
        if failure is None:
            return closings.succeeded(run.claim, **about)
        log.info("attempt_failed", command=str(run.claim.id), type=run.claim.type, error=failure.error, reason=failure.message)
        return closings.failed(run.claim, failure, jitter=self._means.jitter(), took=self._took(run), **about)

    def _end(self, run: Run, closing: Closing) -> None:
        self._count(
            run, closing.outcome if closing.state is not CommandState.DEAD_LETTERED else "dead_lettered", closing.error_class
        )
        self._forget(run)
        self._close(closing)

    def _leave(self, run: Run, *, has_more: bool) -> None:
        self._forget(run)
        self._freed(run.claim, has_more)

    def _forget(self, run: Run) -> None:
        run.is_closed = True
        run.attempt.is_over = True
        self._runs.pop(_place(run.claim), None)

    def _count(self, run: Run, outcome: str, error: ErrorClass | None) -> None:
        self._means.counts.ended(run.claim, outcome=outcome, error=error, took=self._took(run))

    def _took(self, run: Run) -> float:
        return self._loop.time() - run.began

    @staticmethod
    def _stop_timer(run: Run) -> None:
        if run.timer is not None:
            run.timer.cancel()


def _place(claim: Claim) -> Place:
    return claim.account_id, claim.id, claim.attempt
