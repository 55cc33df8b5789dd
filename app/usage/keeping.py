"""What is done about budgets beside the runs: waking who waits, freeing what was left behind, forgetting what is old."""

from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction
from app.runtime import hurrying, standing
from app.runtime.rules.settings import KEPT_USAGE, SETTINGS, meant
from app.runtime.types import CommandState
from app.usage import queries, service
from app.usage.rules import budgets as rules

MOST_WOKEN = 200
MOST_LEFT = 200
# A run that was refused is noted before its command waits; until then it cannot be hurried, so somebody looks again.
TURNS, TURN_SECONDS = 5, 1.0


async def wake(tx: Transaction, budget_id: UUID, *, turn: int) -> int:
    """Let those who wait longest try again, as many as have room; answers how many."""
    row = await tx.row(queries.BUDGET, tx.account_id, budget_id)
    most = MOST_WOKEN if row is None else rules.fits(rules.touched(service.facts(row), row["now"]), most=MOST_WOKEN)
    rows = await tx.rows(queries.WAITING, tx.account_id, budget_id, most)
    waiting = [one["command_id"] for one in rows if one["state"] == CommandState.RETRY_SCHEDULED]
    if waiting:
        hurrying.hurry(tx, waiting)
    if turn < TURNS and any(one["state"] == CommandState.RUNNING for one in rows):
        service.resume(tx, budget_id, turn=turn + 1, delay_seconds=TURN_SECONDS)
    return len(waiting)


async def sweep(tx: Transaction) -> int:
    """Release what runs that are over still hold; with nothing held the sweeps sleep. Answers how many runs."""
    rows = await tx.rows(queries.LEFT_BEHIND, tx.account_id, MOST_LEFT)
    if rows:
        await service.release_all(tx, [row["run_id"] for row in rows])
        await tx.flush()
    await standing.lull(tx, service.STANDING, unless=queries.IS_ANYTHING_HELD)
    return len(rows)


async def purge(tx: Transaction, most: int) -> int:
    """Take records of usage away that are no longer kept, and reservations of runs that ended as long ago."""
    stored = await tx.value(queries.KEPT, tx.account_id)
    days = int(meant(SETTINGS[KEPT_USAGE], None if stored is None else msgspec.json.decode(stored)))
    records: int = await tx.value(queries.PURGE_RECORDS, tx.account_id, days, most)
    reservations: int = await tx.value(queries.PURGE_RESERVATIONS, tx.account_id, days, most)
    return records + reservations
