"""Durable work of the cards: taking back what nobody renews, and telling those who wait for files."""

from uuid import UUID

import msgspec

from app.kernel.errors import Missing
from app.runtime.handlers import Attempt
from app.runtime.taxonomy import command
from app.runtime.types import Idempotency
from app.tasks import freeing, leasing
from app.tasks.holding import EXPIRE

SUBSCRIPTIONS = freeing.SUBSCRIPTIONS


class Watched(msgspec.Struct, frozen=True):
    task_id: UUID
    fence: int


@command(EXPIRE, payload=Watched, owner="tasks", idempotency=Idempotency.ENTITY, started_by=("task-claim", "task-heartbeat"))
async def expire_lease(attempt: Attempt) -> None:
    """End the lease if its time is over; otherwise another command waits for the rest of it."""
    watched = msgspec.json.decode(attempt.claim.payload, type=Watched)
    async with attempt.transaction() as tx:
        try:
            taken = await leasing.expire(tx, watched.task_id, watched.fence)
        except Missing:
            taken = False
        attempt.finish(tx, {"taken": taken})


@command(
    freeing.FREED,
    payload=freeing.Freed,
    owner="tasks",
    idempotency=Idempotency.ENTITY,
    started_by=("task-status", "task-release", "task-reserve"),
)
async def tell_of_freed_files(attempt: Attempt) -> None:
    """Tell those who wait for files that nobody has any more."""
    freed = msgspec.json.decode(attempt.claim.payload, type=freeing.Freed)
    async with attempt.transaction() as tx:
        attempt.finish(tx, {"told": await freeing.tell(tx, freed)})
