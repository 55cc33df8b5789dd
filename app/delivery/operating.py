"""An operator's hand on deliveries: try again now, let go, replay what was given up."""

from typing import Any
from uuid import UUID

from app.delivery import queries, reading
from app.delivery.ending import end
from app.delivery.schemas import DeliveryDetail, ReplayDeliveries, ReplayedDeliveries, SkipDelivery
from app.kernel.errors import InvalidTransition, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.notifications.types import NotificationState
from app.runtime import control, letters
from app.runtime.schemas.commands import Cancel, Resume, Transition
from app.runtime.types import CommandState

BY_HAND = "skipped_by_hand"


async def retry(tx: Transaction, who: Principal, delivery_id: UUID) -> DeliveryDetail:
    """Try a delivery that waits now, or replay one that was given up; one that is under way goes on."""
    row = await _steered(tx, delivery_id)
    match row["state"], row["command_state"]:
        case (NotificationState.QUEUED, CommandState.RETRY_SCHEDULED):
            asked = Transition(to=CommandState.QUEUED, reason="tried again by hand")
            await control.transition(tx, who, row["command_id"], asked)
        case (NotificationState.QUEUED, CommandState.HELD):
            await control.resume(tx, who, row["command_id"], Resume(reason="tried again by hand"))
        case (NotificationState.DEAD | NotificationState.EXPIRED, _) if row["letter_id"] is not None:
            await letters.replay(tx, who, row["letter_id"])
        case (NotificationState.QUEUED, _):
            pass
        case _:
            raise _refused(row, "only what waits or was given up is tried again")
    await tx.flush()
    return await reading.one(tx, delivery_id)


async def skip(tx: Transaction, who: Principal, delivery_id: UUID, asked: SkipDelivery) -> DeliveryDetail:
    """End a delivery that is not over as skipped; its call outside, if one is under way, is ended too."""
    row = await _steered(tx, delivery_id)
    if row["state"] == NotificationState.SKIPPED:
        return await reading.one(tx, delivery_id)
    if row["state"] != NotificationState.QUEUED:
        raise _refused(row, "it has come to its end")
    await end(tx, delivery_id, NotificationState.SKIPPED, reason=BY_HAND, attempts=row["attempts"], spent=row["spent"] or 0)
    await tx.flush()
    if row["command_id"] is not None:
        await control.cancel(tx, who, row["command_id"], Cancel(reason=asked.reason))
        await tx.flush()
    return await reading.one(tx, delivery_id)


async def replay(tx: Transaction, who: Principal, asked: ReplayDeliveries) -> ReplayedDeliveries:
    """Replay what was given up, by cause, agent or task, the oldest first; call it again until nothing remains."""
    which = (asked.agent_id, asked.task_id, asked.error_class)
    rows = await tx.rows(queries.GIVEN_UP_LETTERS, tx.account_id, *which, asked.most + 1)
    found = [row["id"] for row in rows]
    replayed = await letters.replay_these(tx, who, found[: asked.most])
    return ReplayedDeliveries(replayed=replayed, remaining=len(found) - replayed)


async def _steered(tx: Transaction, delivery_id: UUID) -> Any:
    row = await tx.row(queries.STEERED, tx.account_id, delivery_id)
    if row is None:
        raise Missing.thing("delivery", delivery_id)
    return row


def _refused(row: Any, why: str) -> InvalidTransition:
    return InvalidTransition(f"{why}; this one is {row['state']}", status=row["state"])
