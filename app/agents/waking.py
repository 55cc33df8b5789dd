"""When the agents are woken by the clock: one schedule for the whole account, and a time of its own for each agent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.agents import queries, rules
from app.agents.types import Reach
from app.kernel.transaction import Transaction
from app.policies.types import AccountPolicy
from app.runtime import standing
from app.runtime.rules.schedules import Timing
from app.runtime.standing import Standing

WAKE_DUE = "agent.wake_due"
# Whoever looks puts the next look off until the first agent is due; the interval is for what breaks off before.
STANDING = Standing(
    name="wakeups", command_type=WAKE_DUE, times=Timing(interval_seconds=60), asleep="no agent is woken by the clock"
)


def is_woken(row: Any, account: AccountPolicy) -> bool:
    """Whether the clock wakes this agent: pull agents ask themselves, but a board follows up what its orchestrator leads."""
    has_reach = row["reach"] == Reach.GATEWAY or row["id"] == account.orchestrator_agent_id
    return has_reach and row["wake_minutes"] > 0 and row["retired_at"] is None


def next_at(row: Any, account: AccountPolicy) -> datetime | None:
    """When the agent is looked at next; None for one that the clock does not wake, and while nobody is looked at."""
    if not is_woken(row, account) or row["looks_at"] is None:
        return None
    looks_at: datetime = row["looks_at"]
    return max(
        looks_at, row["wake_at"] or rules.slot(row["account_slug"], row["slug"], row["wake_minutes"], after=row["updated_at"])
    )


async def anew(tx: Transaction, agent_id: UUID) -> None:
    """Count the agent's times anew, from the change of its row."""
    tx.write(queries.FORGET_WAKE, tx.account_id, agent_id)
    await standing.soon(tx, STANDING)
