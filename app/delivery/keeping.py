"""Keeps the lease of an agent that works on its task while its gateway is being waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from app.delivery.queries import runs as queries
from app.delivery.turns import Ready
from app.runtime.handlers import PASSING, Attempt
from app.tasks import renewing

log = structlog.get_logger()


@asynccontextmanager
async def lease_kept(attempt: Attempt, ready: Ready) -> AsyncIterator[None]:
    """Renew the recipient's lease on the task as long as this block lasts, and no longer than this attempt runs."""
    keeper = asyncio.create_task(_keep(attempt, ready))
    try:
        yield
    finally:
        keeper.cancel()
        (outcome,) = await asyncio.gather(keeper, return_exceptions=True)
        if isinstance(outcome, Exception):
            log.warning("lease_not_kept", task_id=str(ready.task_id), error=type(outcome).__name__, reason=str(outcome))


async def _keep(attempt: Attempt, ready: Ready) -> None:
    pause: float | None = ready.renew_after
    while pause is not None:
        await asyncio.sleep(pause)
        try:
            pause = await _renewed(attempt, ready)
        except PASSING as error:
            log.info("lease_renewal_missed", task_id=str(ready.task_id), error=type(error).__name__)
            pause = max(ready.renew_after, 0.1)


async def _renewed(attempt: Attempt, ready: Ready) -> float | None:
    """In how many seconds to come again; None when there is nothing to keep."""
    claim = attempt.claim
    # Not through the attempt: its transactions may finish it.
    async with attempt.database.transaction(claim.account_id, origin=attempt.origin) as tx:
        if ready.task_id is None or not await tx.value(queries.RUNS, tx.account_id, claim.id, claim.attempt):
            return None
        return await renewing.renew(tx, ready.agent_id, ready.task_id)
