"""What one holder leaves to the next."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.ids import NEWEST_ID, new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wire import Page, clamped
from app.tasks import reading
from app.tasks.queries import handoffs as queries
from app.tasks.rules import handoffs as rules
from app.tasks.schemas import Handoff
from app.tasks.schemas.handoffs import HandoffView
from app.tasks.types import Card, HandoffKind, Scene

SHOWN_LIMIT = 24_000


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    task_id: UUID
    kind: HandoffKind
    fence: int | None
    author_kind: ActorKind
    author_id: UUID | None
    author_name: str
    content: dict[str, Any]
    words: str | None


def leave(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    task_id: UUID,
    kind: HandoffKind,
    *,
    given: Handoff | None,
    words: str | None = None,
    fence: int | None = None,
    unmet: Sequence[str] = (),
) -> None:
    """Keep a handoff; `words` stand for the summary where none was written, and nothing at all is not kept.

    With the `fence` of a lease that ends, the notes that its holder took are part of it.
    """
    content = said(given) | ({"unmet": list(unmet)} if unmet else {})
    if not content and not words and fence is None:
        return
    row = _Row(
        id=new_id(),
        task_id=task_id,
        kind=kind,
        fence=fence,
        author_kind=principal.kind,
        author_id=principal.id,
        author_name=principal.name,
        content=content,
        words=words,
    )
    tx.put(queries.NOTE if kind is HandoffKind.PROGRESS else queries.LEAVE, row)


def said(given: Handoff | None, words: str | None = None) -> dict[str, Any]:
    """The parts that say something."""
    content = {name: value for name, value in msgspec.to_builtins(given or Handoff()).items() if value}
    if words and not content.get("summary"):
        content["summary"] = words
    return content


def keep_notes(tx: Transaction, principal: Principal, card: Card) -> None:
    """The task is taken from its holder: the notes that it took are what it leaves."""
    if card.lease_agent_id not in (None, principal.id):
        tx.write(queries.KEEP_NOTES, tx.account_id, card.id, card.lease_fence)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: HandoffKind
    author_kind: ActorKind
    author_id: UUID | None
    author_name: str
    created_at: str
    content: dict[str, Any]


def shown(text: str, *, limit: int = SHOWN_LIMIT) -> list[HandoffView]:
    """The views of JSON that the database wrote, all of them together no longer than `limit`."""
    kept = _decoder.decode(text)
    cut = rules.within([one.content for one in kept], limit)
    return [_view(one, content, is_cut=is_cut) for one, (content, is_cut) in zip(kept, cut, strict=True)]


def latest(scene: Scene) -> HandoffView | None:
    """The newest handoff that a claim found."""
    return next(iter(shown(scene.handoff or "[]")), None)


_decoder = msgspec.json.Decoder(list[_Kept])


def _view(one: _Kept, content: dict[str, Any], *, is_cut: bool) -> HandoffView:
    fields = {name: getattr(one, name) for name in _Kept.__struct_fields__ if name != "content"}
    return msgspec.convert(fields | content | {"is_cut": is_cut}, HandoffView)


async def page(tx: Transaction, task_id: UUID, *, limit: int | None, before: UUID | None) -> Page:
    """A page of what was handed over, newest first and whole."""
    await reading.one(tx, task_id)
    size = clamped(limit)
    rows = await tx.rows(queries.PAGE, tx.account_id, task_id, before or NEWEST_ID, size + 1)
    items = [_of_row(row) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


def _of_row(row: Any) -> HandoffView:
    content = msgspec.json.decode(row["content"])
    return _view(msgspec.convert(dict(row) | {"content": content}, _Kept), content, is_cut=False)
