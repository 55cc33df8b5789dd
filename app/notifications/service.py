"""What people are told: pages of it, and what they have read."""

from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Missing
from app.kernel.ids import NEWEST_ID
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import clamped
from app.notifications import queries
from app.notifications.schemas import NotificationPage, NotificationView, ReadView
from app.notifications.types import NotificationState

READ = "notify:notification:read"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which notifications are asked for; `mine` are the caller's own."""

    task_id: UUID | None = None
    state: NotificationState | None = None
    recipient_id: UUID | None = None
    mine: bool = False


async def page(tx: Transaction, who: Principal, asked: Asked, *, limit: int | None, before: UUID | None) -> NotificationPage:
    """Who was told what and how it ended, newest first."""
    size = clamped(limit)
    wanted = (before or NEWEST_ID, asked.task_id, asked.state, who.id if asked.mine else asked.recipient_id, size + 1)
    rows = await tx.rows(_statement(asked), tx.account_id, *wanted)
    items = [_view(row) for row in rows[:size]]
    return NotificationPage(
        items=items,
        next_cursor=str(items[-1].id) if len(rows) > size else None,
        limit=size,
        unread=await tx.value(queries.UNREAD, tx.account_id, who.id),
    )


def _statement(asked: Asked) -> str:
    if not asked.mine:
        return queries.OF_ACCOUNT
    return queries.UNREAD_OF_PERSON if asked.state is NotificationState.QUEUED else queries.OF_PERSON


async def read(tx: Transaction, who: Principal, notification_id: UUID) -> NotificationView:
    """Mark one of one's own as read; to do it again changes nothing."""
    row = await tx.row(queries.OWN, tx.account_id, notification_id, who.id)
    if row is None:
        raise Missing.thing("notification", notification_id)
    view = _view(row)
    if view.state is not NotificationState.QUEUED:
        return view
    tx.write(queries.READ, tx.account_id, view.id, row["now"], expect=1)
    events.record(tx, READ, entity=("notification", view.id), sequence=2, actor=who, payload={"recipient_id": who.id})
    return msgspec.structs.replace(view, state=NotificationState.DELIVERED, ended_at=row["now"])


async def read_all(tx: Transaction, who: Principal, *, upto: UUID | None) -> ReadView:
    """Mark all of one's own as read, as far as they were looked at."""
    count = await tx.value(queries.READ_ALL, tx.account_id, who.id, upto)
    if count:
        events.record(tx, READ, entity=("person", who.id), actor=who, payload={"recipient_id": who.id, "count": count})
    return ReadView(read=count, unread=await tx.value(queries.UNREAD, tx.account_id, who.id))


def _view(row: object) -> NotificationView:
    fields = dict(row)  # type: ignore[call-overload]
    fields.pop("now", None)
    return msgspec.convert(fields, NotificationView)
