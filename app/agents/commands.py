"""Durable work of the agents' room: noticing who fell silent."""

from app.agents import gateways, liveness
from app.agents.types import AgentChanged
from app.kernel.transaction import Subscribers
from app.runtime.handlers import Attempt
from app.runtime.taxonomy import tick


@tick(liveness.SWEEP, owner="agents")
async def sweep_liveness(attempt: Attempt) -> None:
    """Take agents offline that gave no sign of life for too long."""
    async with attempt.transaction() as tx:
        attempt.finish(tx, {"offline": await liveness.sweep(tx)})


SUBSCRIPTIONS: Subscribers = {AgentChanged: [gateways.on_agent]}
