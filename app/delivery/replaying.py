"""A delivery that was given up and is replayed: its notification waits for its end once more."""

from collections.abc import Mapping
from uuid import UUID

from app.delivery.queries import runs as queries
from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import BOARD
from app.notifications import queries as notifications
from app.notifications.types import NotificationState


async def reopen(tx: Transaction, wanted: Mapping[UUID, int], *, actor: Principal) -> None:
    """Queue notifications that ended as dead or expired, each with the attempts that lie before the replay.

    What was frozen or answered stays, so that the same bytes go out, or what was heard is settled without asking again.
    """
    rows = await tx.rows(notifications.GIVEN_UP, tx.account_id, list(wanted))
    if not rows:
        return
    ids = [row["id"] for row in rows]
    tx.write(notifications.REOPEN, tx.account_id, ids, expect=len(ids))
    tx.write(queries.FORGET_SILENCE, tx.account_id, ids)
    for row in rows:
        payload, sequence = {"state": NotificationState.QUEUED}, 2 * wanted[row["id"]] + 1
        entity = ("notification", row["id"])
        events.record(tx, "notify:notification:reopened", entity=entity, actor=actor, payload=payload, sequence=sequence)
        tx.wake(BOARD, row["recipient_id"])


async def spent_if_given_up(tx: Transaction, command_id: UUID | None, *, attempts: int) -> int | None:
    """How many attempts lay before the last replay of a delivery that ended with its attempt `attempts`.

    None when it was replayed since, so that its first end is no end any more.
    """
    row = await tx.row(queries.GIVEN_UP, tx.account_id, command_id, attempts)
    if row is None:
        return 0
    spent: int = row["spent"]
    return spent if row["is_given_up"] else None
