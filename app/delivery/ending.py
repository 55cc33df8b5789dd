"""The one place where notifications of agents come to their end."""

from uuid import UUID

from app.events import service as events
from app.kernel.transaction import Transaction
from app.notifications import queries as notifications
from app.notifications.types import NotificationState
from app.usage import service as usage


async def end(
    tx: Transaction,
    notification_id: UUID,
    state: NotificationState,
    *,
    attempts: int,
    reason: str | None = None,
    spent: int = 0,
) -> None:
    """Bring a notification that waits to one of its ends, and give back what its run reserved.

    `spent` attempts lie before the last replay of its command.
    """
    tx.write(notifications.END, tx.account_id, notification_id, state, reason, attempts)
    payload = {"state": state, "reason": reason, "attempts": attempts}
    entity, sequence = ("notification", notification_id), 2 * spent + 2
    events.record(tx, "notify:notification:ended", entity=entity, actor=None, payload=payload, sequence=sequence)
    await usage.release(tx, notification_id)
