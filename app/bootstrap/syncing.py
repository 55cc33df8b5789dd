"""Clones as durable work: brought up to date when something changed, and looked after by the clock."""

from app.runtime.handlers import Attempt
from app.runtime.rules.schedules import Timing
from app.runtime.standing import Standing
from app.runtime.taxonomy import command
from app.runtime.types import Idempotency, Misfire, Nothing, Queue

SWEEP = "repository.sweep"
STANDING = Standing(
    name="repositories",
    command_type=SWEEP,
    times=Timing(interval_seconds=600, misfire=Misfire.RUN_ONCE),
    asleep="there is no repository",
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
    """Bring clones up to date that fell behind, and take away worktrees that nobody works in."""
    async with attempt.transaction() as tx:
        attempt.finish(tx)
