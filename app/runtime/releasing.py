"""The durable work after a pause: what it held is queued again, in batches."""

import msgspec

from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.wake import EVERYTHING, WORK
from app.runtime import service
from app.runtime.handlers import Attempt
from app.runtime.pausing import RELEASE
from app.runtime.queries import pauses as queries
from app.runtime.service import Order
from app.runtime.taxonomy import command
from app.runtime.types import CommandState, Idempotency, PauseKind, Queue

BATCH = 500
# What is left then is left to a command of its own, long before this one would take too long.
MOST_BATCHES = 20


class Ended(msgspec.Struct, frozen=True):
    """The pause that ended."""

    kind: PauseKind
    name: str


@command(
    RELEASE,
    payload=Ended,
    owner="runtime",
    queue=Queue.CONTROL,
    idempotency=Idempotency.CAUSE,
    started_by=("the end of a pause",),
)
async def release_paused(attempt: Attempt) -> None:
    """Queue again what a pause held, unless there is such a pause again."""
    ended = msgspec.json.decode(attempt.claim.payload, type=Ended)
    released = 0
    for batch in range(1, MOST_BATCHES + 1):
        async with attempt.transaction() as tx:
            found = await _release(tx, ended)
            released += found
            if found == BATCH and batch < MOST_BATCHES:
                continue
            if found == BATCH:
                payload = msgspec.structs.asdict(ended)
                order = Order(type=RELEASE, idempotency_key=f"after:{attempt.claim.id}", payload=payload)
                service.enqueue(tx, order, actor=None)
            attempt.finish(tx, {"released": released})
            return


async def _release(tx: Transaction, ended: Ended) -> int:
    rows = await tx.rows(queries.HELD, tx.account_id, ended.kind, ended.name, BATCH)
    if rows:
        ids = [row["id"] for row in rows]
        tx.write(queries.RESUME_COMMANDS, tx.account_id, ids, expect=len(ids))
        tx.wake(WORK, EVERYTHING)
    for row in rows:
        payload = {
            "type": row["type"],
            "profile": row["profile"],
            "state": CommandState.QUEUED,
            "from": CommandState.HELD,
            "held_by": f"pause:{ended.kind}:{ended.name}",
        }
        entity, sequence = ("command", row["id"]), row["attempt"] * 2
        events.record(tx, "runtime:command:resumed", entity=entity, sequence=sequence, actor=None, payload=payload)
    return len(rows)
