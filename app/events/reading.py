"""Following the log."""

from typing import Any
from uuid import UUID

import msgspec

from app.events import queries
from app.events.schemas import EventView
from app.events.types import Stretch, Wanted
from app.kernel.transaction import Transaction
from app.kernel.wire import LIMIT_MOST, Page, clamped

SCAN_MOST = 10_000


async def after(tx: Transaction, *, seq: int, type_prefix: str | None, limit: int | None) -> Page:
    """Events behind `seq` in commit order; `next_cursor` is where to go on, also when nothing is there yet."""
    size = clamped(limit)
    rows = await tx.rows(queries.AFTER, tx.account_id, seq, type_prefix, size)
    return _page(tx, rows, seq=seq, size=size)


async def of_entity(tx: Transaction, *, kind: str, entity_id: UUID, seq: int, limit: int | None) -> Page:
    size = clamped(limit)
    rows = await tx.rows(queries.OF_ENTITY, tx.account_id, kind, entity_id, seq, size)
    return _page(tx, rows, seq=seq, size=size)


async def head(tx: Transaction) -> int:
    """The number of the newest event."""
    return int(await tx.value(queries.HEAD, tx.account_id))


async def stretch(tx: Transaction, wanted: Wanted, *, position: int) -> Stretch:
    """What is wanted of the events behind `position`, at most a page of it; rare ones are looked for in bounded steps."""
    newest = await head(tx)
    last = min(newest, position + SCAN_MOST)
    if last <= position:
        return Stretch(frames=b"", position=position, is_more=False)
    asked = (wanted.type_prefix, wanted.entity_kind, wanted.entity_id)
    rows = await tx.rows(queries.FOLLOW, tx.account_id, position, last, *asked, LIMIT_MOST)
    if len(rows) == LIMIT_MOST:
        last = rows[-1]["seq"]
    frames = b"".join(_frame(_view(row, tx.account_id)) for row in rows)
    return Stretch(frames=frames, position=last, is_more=last < newest)


def _frame(event: EventView) -> bytes:
    """An event as Server-Sent Events have it; JSON has no line breaks of its own."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), msgspec.json.encode(event))


async def newest_of_entity(tx: Transaction, *, kind: str, entity_id: UUID, size: int) -> list[EventView]:
    rows = await tx.rows(queries.NEWEST_OF_ENTITY, tx.account_id, kind, entity_id, size)
    return [_view(row, tx.account_id) for row in rows]


def _page(tx: Transaction, rows: list[Any], *, seq: int, size: int) -> Page:
    items = [_view(row, tx.account_id) for row in rows]
    return Page(items=items, next_cursor=str(items[-1].seq if items else seq), limit=size)


def _view(row: Any, account_id: UUID) -> EventView:
    known = dict(row)
    known["payload"] = msgspec.json.decode(known["payload"])
    stream = f"{known['entity_kind']}:{known['entity_id']}"
    return msgspec.convert(known | {"sequence_stream": stream, "account_id": account_id}, EventView)
