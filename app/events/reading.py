"""Following the log."""

from typing import Any
from uuid import UUID

import msgspec

from app.events import queries
from app.events.schemas import EventView
from app.kernel.transaction import Transaction
from app.kernel.wire import Page, clamped


async def after(tx: Transaction, *, seq: int, type_prefix: str | None, limit: int | None) -> Page:
    """Events behind `seq` in commit order; `next_cursor` is where to go on, also when nothing is there yet."""
    size = clamped(limit)
    rows = await tx.rows(queries.AFTER, tx.account_id, seq, type_prefix, size)
    return _page(tx, rows, seq=seq, size=size)


async def of_entity(tx: Transaction, *, kind: str, entity_id: UUID, seq: int, limit: int | None) -> Page:
    size = clamped(limit)
    rows = await tx.rows(queries.OF_ENTITY, tx.account_id, kind, entity_id, seq, size)
    return _page(tx, rows, seq=seq, size=size)


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
