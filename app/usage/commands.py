"""Durable work of budgets."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from app.runtime.handlers import Attempt
from app.runtime.taxonomy import command, tick
from app.runtime.types import Idempotency
from app.usage import budgets, keeping, service, telling


class Resuming(msgspec.Struct, frozen=True):
    budget_id: UUID
    turn: int = 0


class Extending(msgspec.Struct, frozen=True):
    """What people are asked for; it is of one version of the budget, in one period."""

    budget_id: UUID
    version: int
    period_at: datetime
    extra: Decimal


@command(
    service.RESUME,
    payload=Resuming,
    owner="usage",
    idempotency=Idempotency.CAUSE,
    started_by=("a budget that has room again",),
)
async def resume(attempt: Attempt) -> None:
    """Let runs try again that wait for a budget."""
    wanted = msgspec.json.decode(attempt.claim.payload, type=Resuming)
    async with attempt.transaction() as tx:
        attempt.finish(tx, {"woken": await keeping.wake(tx, wanted.budget_id, turn=wanted.turn)})


@command(
    telling.EXTEND,
    payload=Extending,
    owner="usage",
    idempotency=Idempotency.ENTITY,
    started_by=("a budget that is exhausted, once people approve",),
)
async def extend(attempt: Attempt) -> None:
    """Add to a budget what people approved, until its period ends."""
    wanted = msgspec.json.decode(attempt.claim.payload, type=Extending)
    async with attempt.transaction() as tx:
        is_granted = await budgets.grant(tx, wanted.budget_id, wanted.extra, version=wanted.version, period_at=wanted.period_at)
        attempt.finish(tx, {"granted": is_granted})


@tick(service.SWEEP, owner="usage")
async def sweep(attempt: Attempt) -> None:
    """Release what runs that are over still hold of budgets."""
    async with attempt.transaction() as tx:
        attempt.finish(tx, {"released": await keeping.sweep(tx)})
