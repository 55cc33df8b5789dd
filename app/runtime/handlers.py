"""What a handler gets, and what becomes of one attempt of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.events import service as events
from app.kernel.db import BUSY, LOST, Database
from app.kernel.errors import CallboardError, Fenced, Overloaded, Unavailable
from app.kernel.transaction import Transaction
from app.kernel.types import Origin
from app.runtime import ledger
from app.runtime.ledger import Failure
from app.runtime.queries import ledger as queries
from app.runtime.types import Claim, ErrorClass

# The database's trouble, which passes.
PASSING = (*BUSY, *LOST, asyncpg.OperatorInterventionError, asyncpg.TooManyConnectionsError, Unavailable, Overloaded)


class Failed(Exception):
    """A handler's own word on why it failed; the message is stored and shown, so nothing secret goes in."""

    def __init__(self, error: ErrorClass, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(error=error, message=message, retry_after=retry_after)


class Attempt:
    """One attempt of a command: its claim, and transactions in its account, one of which may finish it."""

    def __init__(self, claim: Claim, *, worker_id: UUID, database: Database, resources: Any) -> None:
        self.claim = claim
        self.worker_id = worker_id
        self.database = database
        self.resources = resources
        self.is_finished = False
        self._finishing: tuple[Transaction, dict[str, Any] | None] | None = None

    @property
    def origin(self) -> Origin:
        return Origin(
            request_id=self.claim.request_id,
            correlation_id=self.claim.correlation_id,
            source="worker",
            cause_id=self.claim.cause_id or self.claim.id,
            depth=self.claim.depth,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction of the command's account; with `finish` its effects count only if this attempt still holds."""
        async with self.database.transaction(self.claim.account_id, origin=self.origin) as tx:
            yield tx
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
            expect=1,
        )
        events.record(
            tx,
            "runtime:command:succeeded",
            entity=("command", claim.id),
            sequence=claim.attempt * 2,
            actor=None,
            payload={"type": claim.type, "profile": claim.profile, "state": "succeeded", "attempt": claim.attempt},
        )


Handler = Callable[[Attempt], Awaitable[None]]
Handlers = Mapping[str, Handler]


async def perform(attempt: Attempt, handler: Handler | None, *, timeout: float) -> Failure | None:  # noqa: ASYNC109
    """Run the handler; answers why it failed. Being fenced or cancelled from outside is raised."""
    if attempt.claim.expired:
        return Failure(error=ErrorClass.TIMEOUT, message="it expired before it could succeed")
    if handler is None:
        # Another worker of a mixed fleet may have it.
        return Failure(error=ErrorClass.TRANSIENT, message=f"this version has no handler for {attempt.claim.type}")
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            await handler(attempt)
    except Fenced:
        raise
    except Exception as error:  # noqa: BLE001 whatever a handler raises is the outcome of its attempt
        if scope.expired():
            return Failure(error=ErrorClass.TIMEOUT, message=f"it took longer than {timeout:g} s")
        return failure_of(error)
    return None


def failure_of(error: Exception) -> Failure:
    """What is known of an exception; only its class and the first line are kept."""
    if isinstance(error, Failed):
        return error.failure
    lines = str(error).splitlines() or [""]
    message = ledger.clean(f"{type(error).__name__}: {lines[0]}")
    if isinstance(error, PASSING):
        return Failure(error=ErrorClass.UNAVAILABLE, message=message)
    if isinstance(error, CallboardError) and error.code.value in set(ErrorClass):
        return Failure(error=ErrorClass(error.code.value), message=message, retry_after=error.retry_after)
    return Failure(error=ErrorClass.INTERNAL, message=message)


def _lanes_of(tx: Transaction) -> set[UUID]:
    lanes = (getattr(row, "lane_id", None) for row in tx.pending(queries.ENQUEUE))
    return {lane_id for lane_id in lanes if lane_id is not None}
