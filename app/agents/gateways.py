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
        await standing.soon(tx, STANDING)


async def rouse_if_used(tx: Transaction) -> None:
    """The same for agents that are there already."""
    if await tx.value(queries.IS_ANY_GATEWAY_USED, tx.account_id):
        await standing.soon(tx, STANDING)


async def put_off(tx: Transaction, *, interval: int) -> None:
    """Forget gateways that no agent is reached through; nobody looks before one may be silent, nor where there is none."""
    tx.write(queries.FORGET_GATEWAYS, tx.account_id)
    await tx.flush()
    await standing.put_off(tx, STANDING, until=queries.NEXT_PROBE, about=[float(interval)])
