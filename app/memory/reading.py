"""Reading memory: the latest of a name, a version by its number, a scope's items, an item's versions."""

from typing import Any
from uuid import UUID

import msgspec

from app.kernel.errors import Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped
from app.memory import access, queries, rules
from app.memory.access import Spot
from app.memory.schemas import MemorySnapshotView, MemoryText
from app.memory.types import CHECKPOINT, Latest, Scope, Tier

NEWEST_VERSION = 2**31 - 1
_FIELDS = tuple(name for name in MemorySnapshotView.__struct_fields__ if name != "contract_version")


async def one(tx: Transaction, principal: Principal, spot: Spot, *, version: int | None = None) -> MemoryText:
    """The item with its content; a version by its number stays what it was, also after a deletion, until the item expires."""
    now = await access.readable(tx, principal, spot.scope, spot.key)
    row = await tx.row(queries.LATEST_WITH_CONTENT, tx.account_id, *spot.columns)
    latest = None if row is None else msgspec.convert(dict(row), Latest)
    if version is None:
        row = row if rules.there(latest, now) else None
    elif (found := rules.known(latest, now)) is None:
        row = None
    elif version != found.version:
        row = await tx.row(queries.VERSION, tx.account_id, found.memory_id, version)
    if row is None:
        raise Missing.thing("memory", spot) if version is None else Missing.thing("memory version", f"{spot}@{version}")
    return _text(row)


async def page(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    scope: Scope,
    key: UUID,
    *,
    tier: Tier | None = None,
    limit: int | None = None,
    after: str | None = None,
) -> Page:
    """A page of a scope's items by name, without their content."""
    await access.readable(tx, principal, scope, key)
    size = clamped(limit)
    rows = await tx.rows(queries.PAGE, tx.account_id, scope, str(key), after or "", size + 1, tier)
    items = [view(row) for row in rows[:size]]
    return Page(items=items, next_cursor=items[-1].name if len(rows) > size else None, limit=size)


async def versions(tx: Transaction, principal: Principal, spot: Spot, *, limit: int | None, before: int | None) -> Page:
    """A page of an item's versions without their content, newest first; a deletion is one of them."""
    now = await access.readable(tx, principal, spot.scope, spot.key)
    found = rules.known(await access.latest(tx, spot), now)
    if found is None:
        raise Missing.thing("memory", spot)
    size = clamped(limit)
    rows = await tx.rows(queries.VERSIONS, tx.account_id, found.memory_id, before or NEWEST_VERSION, size + 1)
    items = [view(row) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].version) if len(rows) > size else None, limit=size)


async def reached(tx: Transaction, run_id: UUID, name: str) -> Any:
    """What a handler kept last by `checkpoint`; None when it kept nothing, or long ago."""
    spot = Spot(scope=Scope.RUN, key=run_id, name=CHECKPOINT + name)
    row = await tx.row(queries.LATEST_WITH_CONTENT, tx.account_id, *spot.columns)
    if row is None or rules.there(msgspec.convert(dict(row), Latest), row["now"]) is None:
        return None
    return _content(row)


def view(row: Any) -> MemorySnapshotView:
    return msgspec.convert({name: row[name] for name in _FIELDS}, MemorySnapshotView)


def _text(row: Any) -> MemoryText:
    return msgspec.convert({name: row[name] for name in _FIELDS} | {"content": _content(row)}, MemoryText)


def _content(row: Any) -> Any:
    return None if row["content"] is None else msgspec.json.decode(row["content"])
