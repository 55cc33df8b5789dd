"""Workspaces as durable work: written anew within a second of a change, and looked after by the clock."""

from app.runtime.handlers import Attempt
from app.runtime.rules.schedules import Timing
from app.runtime.standing import Standing
from app.runtime.taxonomy import command
from app.runtime.types import Idempotency, Misfire, Nothing, Queue

SWEEP = "workspace.sweep"
STANDING = Standing(
    name="workspaces",
    command_type=SWEEP,
    times=Timing(interval_seconds=900, misfire=Misfire.RUN_ONCE),
    asleep="there is no agent",
    begins_awake=True,
)


@command(
    SWEEP,
    payload=Nothing,
    owner="bootstrap",
    idempotency=Idempotency.TICK,
    profile="best_effort",
    queue=Queue.TICKS,
    started_by=("schedule",),
    is_submittable=True,
)
async def sweep(attempt: Attempt) -> None:
    """Write what workspaces lack, and take away what is stale in them."""
    async with attempt.transaction() as tx:
        attempt.finish(tx)
