"""Finding tasks by their words, and keeping those words beside the cards."""

from typing import Any
from uuid import UUID

import msgspec

from app.kernel.errors import Invalid
from app.kernel.transaction import Transaction
from app.kernel.wire import clamped
from app.tasks.queries import search as queries
from app.tasks.rules.graph import CLOSED
from app.tasks.scenes import read_json
from app.tasks.schemas import AssigneeView
from app.tasks.schemas.search import SEARCH_DEFAULT, SEARCH_MOST, AgentSearch, FoundPage, FoundTask
from app.tasks.types import Card, TaskStatus


class _Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """Which searches look at a task at all."""

    task_id: UUID
    is_open: bool
    is_archived: bool


class _Text(_Shelf, frozen=True, kw_only=True):
    title: str
    description: str
    blocked_reason: str | None


async def search(tx: Transaction, asked: AgentSearch, *, field: str = "query") -> FoundPage:
    """The tasks that match best; a query without a word that could be found is the caller's mistake."""
    limit = clamped(asked.limit, default=SEARCH_DEFAULT, most=SEARCH_MOST)
    rows = await tx.rows(queries.SEARCH, tx.account_id, asked.query, limit, asked.include_archived, asked.include_coordination)
    if not rows and not await tx.value(queries.IS_SEARCHABLE, asked.query):
        raise Invalid.field(field, "holds no word to look for: very common words and excluded ones are not enough")
    return FoundPage(items=[_found(row) for row in rows], limit=limit, is_complete=all(row["is_complete"] for row in rows))


def _found(row: Any) -> FoundTask:
    fields = {name: row[name] for name in FoundTask.__struct_fields__}
    return msgspec.convert(fields | {"assignees": read_json(row["assignees"], list[AssigneeView])}, FoundTask)


def keep(tx: Transaction, card: Card) -> None:
    """Write what search reads of a card that is new, or whose words changed."""
    text = _Text(
        **msgspec.structs.asdict(_shelf(card)),
        title=card.title,
        description=card.description,
        blocked_reason=card.blocked_reason,
    )
    tx.put(queries.WRITE_TEXTS, text)


def follow(tx: Transaction, before: Card, after: Card) -> None:
    """What a move means for search; most moves mean nothing."""
    if before.blocked_reason != after.blocked_reason:
        keep(tx, after)
    elif _shelf(before) != _shelf(after):
        tx.put(queries.SHELVE_TEXTS, _shelf(after))


def _shelf(card: Card) -> _Shelf:
    return _Shelf(task_id=card.id, is_open=card.status not in CLOSED, is_archived=card.status is TaskStatus.ARCHIVED)
