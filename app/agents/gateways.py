"""When the gateways of an account are looked at: by the clock, as long as an agent is reached through one."""

from app.agents import queries
from app.agents.types import AgentChanged, Reach
from app.kernel.transaction import Transaction
from app.runtime import standing
from app.runtime.rules.schedules import Timing
from app.runtime.standing import Standing

PROBE = "gateway.probe"
TICK_SECONDS = 30
ASLEEP = "no agent is reached through a gateway"
STANDING = Standing(name="gateways", command_type=PROBE, times=Timing(interval_seconds=TICK_SECONDS), asleep=ASLEEP)


async def on_agent(tx: Transaction, changed: AgentChanged) -> None:
    """An agent that is reached through a gateway has it looked at."""
    if changed.reach is Reach.GATEWAY and not changed.is_retired:
        await standing.rouse(tx, STANDING)


async def rouse_if_used(tx: Transaction) -> None:
    """The same for agents that are there already."""
    if await tx.value(queries.IS_ANY_GATEWAY_USED, tx.account_id):
        await standing.rouse(tx, STANDING)


async def lull(tx: Transaction) -> None:
    """Forget gateways that no agent is reached through; where there is none, nobody looks any more."""
    tx.write(queries.FORGET_GATEWAYS, tx.account_id)
    await standing.lull(tx, STANDING, unless=queries.IS_ANY_GATEWAY_USED)
