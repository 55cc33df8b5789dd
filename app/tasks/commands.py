"""Durable work of the cards: taking back what nobody renews."""

from uuid import UUID

import msgspec

from app.kernel.errors import Missing
from app.runtime.handlers import Attempt
from app.runtime.taxonomy import command
from app.runtime.types import Idempotency
from app.tasks import leasing
from app.tasks.holding import EXPIRE


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
