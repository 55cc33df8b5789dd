"""Notifications that nobody takes come to an end too, and what has ended is forgotten in time."""

from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.transaction import Transaction
from app.notifications import queries
from app.notifications.types import NotificationsForgotten, NotificationState
from app.runtime import standing
from app.runtime.handlers import Attempt
from app.runtime.rules.schedules import Timing
from app.runtime.rules.settings import SETTINGS, meant
from app.runtime.standing import Standing
from app.runtime.taxonomy import tick

EXPIRE = "notifications.expire"
# It comes when the oldest that waits is overdue, and no sooner than a day from now could one be that comes meanwhile.
STANDING = Standing(
    name="expiry",
    command_type=EXPIRE,
    times=Timing(interval_seconds=900),
    asleep="nobody fetches notifications",
    begins_awake=True,
)
MOST = 500
KEPT = "retention.notifications.days"
TASK_ARCHIVED, AGENT_RETIRED, EXPIRED = "task_archived", "agent_retired", "expired"


def of_task(tx: Transaction, task_id: UUID) -> None:
    """End what waits for agents about a task that was archived."""
    tx.put(queries.END_OF_TASKS, {"task_id": task_id, "reason": TASK_ARCHIVED})


def of_agent(tx: Transaction, agent_id: UUID) -> None:
    """End what waits for an agent that was retired."""
    tx.write(queries.END_OF_AGENT, tx.account_id, agent_id, AGENT_RETIRED)


@tick(EXPIRE, owner="notifications", profile="standard_async")
async def sweep(attempt: Attempt) -> None:
    """End notifications that their agents did not acknowledge for a day."""
    expired, found = 0, MOST
    while found == MOST:
        async with attempt.transaction() as tx:
            found = await _expired(tx)
        expired += found
    async with attempt.transaction() as tx:
        await standing.put_off(tx, STANDING, until=queries.NEXT_OVERDUE)
        attempt.finish(tx, {"expired": expired})


async def _expired(tx: Transaction) -> int:
    ids = [row["id"] for row in await tx.rows(queries.OVERDUE, tx.account_id, MOST)]
    if ids:
        tx.write(queries.EXPIRE, tx.account_id, ids, expect=len(ids))
    payload = {"state": NotificationState.EXPIRED, "reason": EXPIRED}
    for notification_id in ids:
        entity = ("notification", notification_id)
        events.record(tx, "notify:notification:ended", entity=entity, actor=None, payload=payload, sequence=2)
    return len(ids)


async def forget(tx: Transaction, most: int) -> int:
    """Delete at most `most` notifications that ended so long ago, with what hangs on them; 0 when none is left."""
    stored = await tx.value(queries.KEPT_DAYS, tx.account_id)
    days = int(meant(SETTINGS[KEPT], None if stored is None else msgspec.json.decode(stored)))
    ids = tuple(row["id"] for row in await tx.rows(queries.FORGOTTEN, tx.account_id, days, most))
    if ids:
        await tx.tell(NotificationsForgotten(ids))
        tx.write(queries.FORGET, tx.account_id, ids, expect=len(ids))
    return len(ids)
