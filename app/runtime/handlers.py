"""What a handler gets, and what becomes of one attempt of it."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.events import service as events
from app.kernel.db import BUSY, LOST, Database
from app.kernel.errors import CallboardError, CircuitOpen, Fenced, Overloaded, Unavailable
from app.kernel.transaction import Transaction
from app.kernel.types import Origin
from app.runtime import alerts, closings
from app.runtime.closings import LETTER_DAYS, Failure, Spending
from app.runtime.queries import close as queries
from app.runtime.queries.enqueue import ENQUEUE
from app.runtime.rules.profiles import profile_of
from app.runtime.types import Claim, ErrorClass, Profile

# The database's trouble, which passes.
PASSING = (*BUSY, *LOST, asyncpg.OperatorInterventionError, asyncpg.TooManyConnectionsError, Unavailable, Overloaded)


class Failed(Exception):
    """A handler's own word on why it failed; the message is stored and shown, so nothing secret goes in."""

    def __init__(self, error: ErrorClass, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(error=error, message=message, retry_after=retry_after)


class Attempt:
    """One attempt of a command: its claim, and transactions in its account, one of which may finish it."""

    def __init__(
        self, claim: Claim, *, worker_id: UUID, database: Database, resources: Any, profile: Profile | None = None
    ) -> None:
        self.claim = claim
        self.worker_id = worker_id
        self.database = database
        self.resources = resources
        self.profile = profile or profile_of(claim.profile)
        self.spending: Spending | None = None
        self.is_finished = False
        self.is_over = False
        self._finishing: tuple[Transaction, dict[str, Any] | None] | None = None

    @property
    def origin(self) -> Origin:
        return Origin(
            request_id=self.claim.request_id,
            correlation_id=self.claim.correlation_id,
            source="worker",
            cause_id=self.claim.id,
            depth=self.claim.depth,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction of the command's account; with `finish` its effects count only if this attempt still holds.

        Fenced once the attempt was closed, whatever its handler still tries.
        """
        self._stop_if_over()
        async with self.database.transaction(self.claim.account_id, origin=self.origin) as tx:
            yield tx
            self._stop_if_over()
            finishing, self._finishing = self._finishing, None
            if finishing is not None and finishing[0] is tx:
                await self._write_finish(tx, result=finishing[1])
        if finishing is not None:
            self.is_finished = True

    def finish(self, tx: Transaction, result: dict[str, Any] | None = None) -> None:
        """Finish the command in `tx`, which must come from `transaction`: all of it commits, or none."""
        if self._finishing is not None or self.is_finished:
            raise RuntimeError("an attempt finishes once")
        self._finishing = (tx, result)

    def spent_on(
        self,
        *,
        tokens: Mapping[str, int] | None = None,
        cost_usd: Decimal | None = None,
        executor: str | None = None,
        summary: str | None = None,
    ) -> None:
        """Report what this attempt used, which is kept however it ends; numbers of several reports are added up."""
        spending = self.spending = self.spending or Spending()
        if tokens is not None:
            spending.tokens = dict(Counter(spending.tokens or {}) + Counter(tokens))
        if cost_usd is not None:
            spending.cost_usd = (spending.cost_usd or Decimal()) + cost_usd
        spending.executor = executor or spending.executor
        spending.summary = closings.clean(summary) if summary else spending.summary

    def _stop_if_over(self) -> None:
        if self.is_over:
            raise Fenced("this attempt is over")

    async def _write_finish(self, tx: Transaction, *, result: dict[str, Any] | None) -> None:
        claim = self.claim
        lanes = _lanes_of(tx)
        if claim.lane_id in lanes:
            # One statement cannot both lengthen and advance a lane; its lock is then held already.
            await tx.flush()
        tx.write(
            queries.FINISH_ONE,
            claim.account_id,
            claim.id,
            claim.attempt,
            self.worker_id,
            None if result is None else msgspec.json.encode(result).decode(),
            claim.lane_id,
            claim.lane_epoch,
            sorted(lanes | ({claim.lane_id} if claim.lane_id else set())),
            self.profile.retention_days,
            *_spent(self.spending or Spending()),
            expect=1,
        )
        if claim.spent:
            await self._resolve(tx)
        events.record(
            tx,
            "runtime:command:succeeded",
            entity=("command", claim.id),
            sequence=claim.attempt * 2,
            actor=None,
            payload={"type": claim.type, "profile": claim.profile, "state": "succeeded", "attempt": claim.attempt},
        )

    async def _resolve(self, tx: Transaction) -> None:
        """The replay succeeded, so its dead letter is settled and nobody need be alarmed any more."""
        # The command is locked before its letter.
        await tx.flush()
        if await tx.value(queries.RESOLVE_LETTER, tx.account_id, self.claim.id, LETTER_DAYS):
            await alerts.clear_alert(tx, f"dead_letter:{self.claim.id}", reason="the replay succeeded")


Handler = Callable[[Attempt], Awaitable[None]]
Handlers = Mapping[str, Handler]


async def perform(attempt: Attempt, handler: Handler | None) -> Failure | None:
    """Run the handler; answers why it failed. Being cancelled is raised."""
    if attempt.claim.expired:
        return Failure(error=ErrorClass.TIMEOUT, message="it expired before it could succeed")
    if handler is None:
        # Another worker of a mixed fleet may have it.
        return Failure(error=ErrorClass.TRANSIENT, message=f"this version has no handler for {attempt.claim.type}")
    try:
        await handler(attempt)
    except Exception as error:  # noqa: BLE001 whatever a handler raises is the outcome of its attempt
        return failure_of(error)
    return None


def failure_of(error: Exception) -> Failure:
    """What is known of an exception; only its class and the first line are kept."""
    if isinstance(error, Failed):
        return error.failure
    lines = str(error).splitlines() or [""]
    message = closings.clean(f"{type(error).__name__}: {lines[0]}")
    if isinstance(error, PASSING):
        return Failure(error=ErrorClass.UNAVAILABLE, message=message)
    if isinstance(error, CircuitOpen):
        return Failure(error=ErrorClass.UNAVAILABLE, message=error.message, retry_after=error.retry_after)
    if isinstance(error, Fenced):
        # Of an attempt that still holds its command some write lost a race; the ledger drops the end of any other.
        return Failure(error=ErrorClass.TRANSIENT, message=message)
    if isinstance(error, CallboardError) and error.code.value in set(ErrorClass):
        return Failure(error=ErrorClass(error.code.value), message=message, retry_after=error.retry_after)
    return Failure(error=ErrorClass.INTERNAL, message=message)


def _lanes_of(tx: Transaction) -> set[UUID]:
    lanes = (getattr(row, "lane_id", None) for row in tx.pending(ENQUEUE))
    return {lane_id for lane_id in lanes if lane_id is not None}


def _spent(spending: Spending) -> tuple[object, ...]:
    tokens = None if spending.tokens is None else msgspec.json.encode(spending.tokens).decode()
    return spending.summary, tokens, spending.cost_usd, spending.executor
