"""The layers that identities are made of: those of one agent, of all that name a folder, and of all."""

from typing import Any
from uuid import UUID

import msgspec

from app.agents.identity_schemas import LayerEdit, LayerText, LayerView, NewLayer
from app.agents.layering import LAYER_MOST_BYTES, cleaned
from app.agents.queries import identity as queries
from app.agents.types import IdentityChanged, Layer, LayerScope
from app.events import service as events
from app.kernel.errors import Invalid, Missing, TooLarge, VersionConflict
from app.kernel.ids import OLDEST_ID, new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which layers a page shows."""

    scope: LayerScope | None = None
    name: str | None = None
    layer: Layer | None = None


async def page(tx: Transaction, wanted: Wanted, *, limit: int | None, after: UUID | None) -> Page:
    """A page of layers without their texts, the oldest first."""
    size = clamped(limit)
    which = (wanted.scope, wanted.name, wanted.layer)
    rows = await tx.rows(queries.PLACES, tx.account_id, after or OLDEST_ID, *which, size + 1)
    items = [msgspec.convert(dict(row), LayerView) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def one(tx: Transaction, layer_id: UUID) -> LayerText:
    return msgspec.convert(dict(await _row(tx, queries.PLACE, layer_id)), LayerText)


async def create(tx: Transaction, who: Principal, asked: NewLayer) -> LayerText:
    """Write a layer where there is none yet."""
    name, content = _name(asked), _content(asked.content)
    if asked.scope is LayerScope.AGENT and await tx.value(queries.AGENT_CALLED, tx.account_id, name) is None:
        raise Missing.thing("agent", name)
    layer_id = new_id()
    tx.write(queries.INSERT_LAYER, tx.account_id, layer_id, asked.scope, name, asked.layer, content, expect=1)
    row = {"id": layer_id, "scope": asked.scope, "name": asked.name, "layer": asked.layer}
    await _record(tx, who, "created", row, version=1)
    await tx.flush()
    return await one(tx, layer_id)


async def edit(tx: Transaction, who: Principal, layer_id: UUID, asked: LayerEdit) -> LayerText:
    before, content = await _row(tx, queries.PLACE_LOCKED, layer_id), _content(asked.content)
    if asked.expected_version not in (None, before["version"]):
        raise VersionConflict(
            f"the layer has version {before['version']}, not {asked.expected_version}",
            expected_version=asked.expected_version,
            version=before["version"],
        )
    if content != before["content"]:
        tx.write(queries.CHANGE_LAYER, tx.account_id, layer_id, content, expect=1)
        await _record(tx, who, "updated", before, version=before["version"] + 1)
        await tx.flush()
    return await one(tx, layer_id)


async def delete(tx: Transaction, who: Principal, layer_id: UUID) -> None:
    """Take a layer away; the next place that has it stands in."""
    before = await _row(tx, queries.PLACE_LOCKED, layer_id)
    tx.write(queries.DELETE_LAYER, tx.account_id, layer_id, expect=1)
    await _record(tx, who, "deleted", before, version=before["version"] + 1)


def _name(asked: NewLayer) -> str:
    if (asked.name is None) != (asked.scope is LayerScope.SHARED):
        raise Invalid.field("name", "a layer of an agent or of a folder has a name, and a shared one has none")
    if (asked.scope, asked.layer) == (LayerScope.AGENT, Layer.SOUL):
        raise Invalid.field("layer", "an agent's own soul is its field `soul`")
    return asked.name or ""


def _content(text: str) -> str:
    content = cleaned(text)
    if len(content.encode()) > LAYER_MOST_BYTES:
        raise TooLarge(f"a layer holds at most {LAYER_MOST_BYTES} bytes", field="content", most=LAYER_MOST_BYTES)
    if not content.strip():
        raise Invalid.field("content", "must not be empty")
    return content


async def _row(tx: Transaction, sql: str, layer_id: UUID) -> Any:
    row = await tx.row(sql, tx.account_id, layer_id)
    if row is None:
        raise Missing.thing("identity layer", layer_id)
    return row


async def _record(tx: Transaction, who: Principal, action: str, row: Any, *, version: int) -> None:
    """The log says which layer it was, never what it says."""
    payload = {name: row[name] for name in ("scope", "name", "layer")}
    entity = ("identity_layer", row["id"])
    events.record(tx, f"board:identity_layer:{action}", entity=entity, sequence=version, actor=who, payload=payload)
    concerned = None
    if row["scope"] != LayerScope.SHARED:
        rows = await tx.rows(queries.CONCERNED, tx.account_id, row["scope"], row["name"])
        concerned = tuple(each["id"] for each in rows)
    await tx.tell(IdentityChanged(agent_ids=concerned))
