"""A breaker around calls to what may be ill: all processes know of it, and leave alone what keeps failing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app.kernel.db import Database, retried
from app.kernel.errors import CircuitOpen, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import clamped
from app.runtime import auditing
from app.runtime.handlers import Failed
from app.runtime.queries import breakers as queries
from app.runtime.queries import everywhere
from app.runtime.rules import breakers as rules
from app.runtime.rules.breakers import Breaker, Limits, Pass, Probe, Refuse
from app.runtime.rules.settings import BREAKER_FAILURES, BREAKER_SECONDS
from app.runtime.schemas.breakers import BreakerPage, BreakerReset, BreakerView
from app.runtime.types import BreakerState

LONGEST_ERROR = 500
READ_SECONDS = 5.0
EVENTS = {
    BreakerState.OPEN: "breaker:opened",
    BreakerState.HALF_OPEN: "breaker:half_opened",
    BreakerState.CLOSED: "breaker:closed",
}
log = structlog.get_logger()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of `account_id` to a dependency, which ends within `timeout` seconds."""

    account_id: UUID
    dependency: str
    timeout: float
    origin: Origin


class _Entry(msgspec.Struct, frozen=True):
    """What was known when the call began; a probe has the version that its claim made."""

    failures: int
    probe: int | None = None


@asynccontextmanager
async def guarded(database: Database, call: Call) -> AsyncIterator[None]:
    """Call the dependency in this block, which is not entered while the breaker is open: CircuitOpen.

    How the call failed is said by Failed; a success while nothing is recorded against the dependency writes nothing.
    """
    entry = await _entered(database, call)
    try:
        yield
    except Failed as error:
        if rules.is_illness(error.failure.error):
            await _told(database, call, entry, error=error.failure.message)
        else:
            await _told(database, call, entry, error=None)
        raise
    else:
        await _told(database, call, entry, error=None)


async def _entered(database: Database, call: Call) -> _Entry:
    row = await database.runtime.fetchrow(everywhere.BREAKER, call.account_id, call.dependency, timeout=READ_SECONDS)
    breaker = _breaker(row)
    match rules.admit(breaker, now=row["now"]):
        case Pass():
            return _Entry(breaker.failures)
        case Probe():
            entry: _Entry = await retried(lambda: _claim_probe(database, call))
            return entry
        case Refuse(retry_after):
            raise _refused(call, retry_after)


async def _claim_probe(database: Database, call: Call) -> _Entry:
    """Be the one call that finds out; of several that would, the others are refused."""
    async with database.transaction(call.account_id, origin=call.origin) as tx:
        row = await tx.row(queries.LOCKED, call.account_id, call.dependency)
        breaker = _breaker(row)
        match rules.admit(breaker, now=row["now"]):
            case Refuse(retry_after):
                raise _refused(call, retry_after)
            case Pass():
                return _Entry(breaker.failures)
            case Probe():
                after = rules.probing(breaker, now=row["now"], timeout=call.timeout)
                _write(tx, call.dependency, row, after, error=None)
                return _Entry(breaker.failures, row["version"] + 1)


def _refused(call: Call, retry_after: float) -> CircuitOpen:
    return CircuitOpen(
        f"{call.dependency} keeps failing and is left alone for now", retry_after=retry_after, dependency=call.dependency
    )


async def _told(database: Database, call: Call, entry: _Entry, *, error: str | None) -> None:
    """Record how the call ended; `error` None is a success."""
    if error is None and entry.probe is None and not entry.failures:
        return
    try:
        await retried(lambda: _settle(database, call, entry, error=error))
    except Exception as trouble:  # noqa: BLE001 what was called has answered, and that must not be lost
        log.warning("breaker_not_told", dependency=call.dependency, error=type(trouble).__name__)


async def _settle(database: Database, call: Call, entry: _Entry, *, error: str | None) -> None:
    async with database.transaction(call.account_id, origin=call.origin) as tx:
        row = await tx.row(queries.LOCKED, call.account_id, call.dependency)
        now = row["now"] if row else await tx.value(queries.NOW)
        before = _breaker(row) if row else Breaker()
        is_probe = row is not None and entry.probe == row["version"]
        if error is None:
            after = rules.succeeded(before, is_probe=is_probe)
        else:
            controls = database.controls
            limits = Limits(
                failures=controls.limit(call.account_id, BREAKER_FAILURES),
                seconds=controls.limit(call.account_id, BREAKER_SECONDS),
            )
            after = rules.failed(before, now=now, limits=limits, is_probe=is_probe)
        if after != before:
            _write(tx, call.dependency, row, after, error=error)


def _write(  # noqa: PLR0913
    tx: Transaction,
    dependency: str,
    row: Any,
    after: Breaker,
    *,
    error: str | None,
    actor: Principal | None = None,
    reason: str | None = None,
) -> None:
    fields = (after.state, after.failures, after.first_failure_at, after.opened_at, after.retry_at)
    write = queries.CHANGE_BREAKER if row else queries.INSERT_BREAKER
    tx.write(write, tx.account_id, dependency, *fields, error and error[:LONGEST_ERROR], expect=1)
    if after.state is (BreakerState(row["state"]) if row else BreakerState.CLOSED):
        return
    payload = {"state": after.state, "failures": after.failures, "retry_at": after.retry_at, "error": error, "reason": reason}
    sequence = row["version"] + 1 if row else 1
    auditing.record(tx, EVENTS[after.state], about=("breaker", dependency), sequence=sequence, actor=actor, payload=payload)


async def page(tx: Transaction, *, limit: int | None, cursor: str | None) -> BreakerPage:
    """A page of what is known of the account's dependencies, by their names."""
    size = clamped(limit)
    rows = await tx.rows(queries.BREAKERS, tx.account_id, cursor or "", size + 1)
    items = [_view(row) for row in rows[:size]]
    return BreakerPage(items=items, next_cursor=items[-1].dependency if len(rows) > size else None, limit=size)


async def reset(tx: Transaction, who: Principal, asked: BreakerReset) -> BreakerView:
    """Close the breaker by hand; the next call finds out whether that was right."""
    row = await tx.row(queries.LOCKED, tx.account_id, asked.dependency)
    if row is None:
        raise Missing.thing("breaker", asked.dependency)
    if _breaker(row) != Breaker():
        _write(tx, asked.dependency, row, Breaker(), error=None, actor=who, reason=asked.reason)
        await tx.flush()
        row = await tx.row(queries.LOCKED, tx.account_id, asked.dependency)
    return _view(row)


def _breaker(row: Any) -> Breaker:
    return Breaker(
        state=BreakerState(row["state"]),
        failures=row["failures"],
        first_failure_at=row["first_failure_at"],
        opened_at=row["opened_at"],
        retry_at=row["retry_at"],
    )


def _view(row: Any) -> BreakerView:
    return msgspec.convert({name: row[name] for name in BreakerView.__struct_fields__}, BreakerView)
