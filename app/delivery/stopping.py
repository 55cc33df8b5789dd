"""What a stop of a task ends: the notifications of its agents, and the commands that deliver them."""

from uuid import UUID

from app.delivery.queries import stopping as queries
from app.delivery.types import DeliveryReason
from app.events import service as events
from app.kernel.transaction import Transaction
from app.notifications.types import NotificationState
from app.runtime import canceling
from app.tasks.types import TaskStopped
from app.usage import service as usage


async def on_stop(tx: Transaction, happened: TaskStopped) -> None:
    """Drop what agents were to hear of the task; the calls outside that are under way are ended too."""
    rows = await tx.rows(queries.DROP, tx.account_id, happened.card.id, happened.actor.id)
    for row in rows:
        payload = {"state": NotificationState.SKIPPED, "reason": DeliveryReason.STOPPED, "attempts": row["attempts"]}
        entity, sequence = ("notification", row["id"]), 2 * row["spent"] + 2
        actor = happened.actor
        events.record(tx, "notify:notification:ended", entity=entity, actor=actor, payload=payload, sequence=sequence)
    if rows:
        await usage.release_all(tx, [row["id"] for row in rows])
    commands = [row["command_id"] for row in rows if row["command_id"] is not None]
    happened.ended.notifications += [row["id"] for row in rows]
    happened.ended.commands += await canceling.cancel_all(tx, happened.actor, commands, reason=happened.reason)


def unless_stopped(tx: Transaction, notification_id: UUID) -> None:
    """Let this transaction commit only while the notification waits for its end."""
    tx.write(queries.STILL_WAITS, tx.account_id, notification_id, expect=1)
