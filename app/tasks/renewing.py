"""Renewing the lease of an agent that is at work without saying so itself."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.kernel.transaction import Transaction
from app.tasks.queries import leases as queries

# A renewal that is missed once still leaves the lease alive.
SHARE = 3


async def renew(tx: Transaction, agent_id: UUID, task_id: UUID) -> float | None:
    """Renew the lease of the agent on the task, if it has one; answers in how many seconds to come again."""
    row = await tx.fresh_row(queries.HELD, tx.account_id, task_id)
    if row is None:
        return None
    if is_live(row, agent_id):
        extend(tx, task_id, row)
    return float(row["lease_seconds"]) / SHARE


def is_live(row: Any, agent_id: UUID) -> bool:
    """Whether a row of `HELD` is a lease of this agent that lasts."""
    return row is not None and row["lease_agent_id"] == agent_id and row["lease_until"] > row["now"]


def extend(tx: Transaction, task_id: UUID, row: Any) -> datetime:
    """Let the lease of this row of `HELD` last its full length from now; it never ends earlier than before."""
    until: datetime = max(row["lease_until"], row["now"] + timedelta(seconds=row["lease_seconds"]))
    tx.write(queries.RENEW, tx.account_id, task_id, row["lease_fence"], until, expect=1)
    return until


def first_after(*, lease_seconds: float, left: float | None) -> float:
    """When to renew first: at once where little of the lease is left; `left` is None where the agent has none yet."""
    pause = lease_seconds / SHARE
    return pause if left is None else max(0.0, min(pause, left - pause))
