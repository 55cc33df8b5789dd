"""Ordering that workspaces are written anew; a burst of changes in one transaction is one order."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.accounts.types import AccountChanged
from app.agents.types import AgentChanged, IdentityChanged, ProfileChanged, SkillsChanged
from app.bootstrap.types.workspaces import Furnishing
from app.kernel.ids import new_id
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import Principal
from app.runtime import standing
from app.runtime.queries.enqueue import ENQUEUE
from app.runtime.rules.schedules import Timing
from app.runtime.service import Order, enqueue
from app.runtime.standing import Standing
from app.runtime.types import Misfire

SYNC, SWEEP = "workspace.sync", "workspace.sweep"
EVERYBODY = Furnishing()
# More than so many are written as quickly by writing all.
EACH_MOST = 10
STANDING = Standing(
    name="workspaces",
    command_type=SWEEP,
    times=Timing(interval_seconds=21_600, misfire=Misfire.RUN_ONCE),
    asleep="there is no agent",
    begins_awake=True,
)


def order(
    tx: Transaction, agent_id: UUID | None = None, *, restored: Sequence[str] = (), actor: Principal | None = None
) -> UUID | None:
    """Have the workspace of this agent written, or all; None where this transaction has ordered that already."""
    wanted = Furnishing(agent_id, tuple(restored))
    known = _ordered(tx)
    if wanted in known or (EVERYBODY in known and not restored):
        return None
    payload = msgspec.to_builtins(wanted)
    return enqueue(tx, Order(type=SYNC, idempotency_key=f"workspace:{new_id()}", payload=payload), actor=actor)


def _ordered(tx: Transaction) -> list[Furnishing]:
    rows = msgspec.to_builtins(tx.pending(ENQUEUE))
    return [msgspec.convert(row["payload"], Furnishing) for row in rows if row["type"] == SYNC]


async def on_agent(tx: Transaction, changed: AgentChanged) -> None:
    await standing.rouse(tx, STANDING)
    order(tx, changed.agent_id)


async def on_some(tx: Transaction, changed: IdentityChanged | SkillsChanged) -> None:
    agent_ids = changed.agent_ids
    if agent_ids is None or len(agent_ids) > EACH_MOST:
        order(tx)
    for agent_id in agent_ids or ():
        order(tx, agent_id)


async def on_account(tx: Transaction, _changed: AccountChanged | ProfileChanged) -> None:
    order(tx)


SUBSCRIPTIONS: Subscribers = {
    AgentChanged: [on_agent],
    IdentityChanged: [on_some],
    SkillsChanged: [on_some],
    AccountChanged: [on_account],
    ProfileChanged: [on_account],
}
