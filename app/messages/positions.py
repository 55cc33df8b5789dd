"""How far each agent has been shown a thread."""

from typing import Any
from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction
from app.messages import queries


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """The newest messages behind an agent's position, oldest first, without its own; `upto` is where the thread ends now."""

    rows: tuple[Any, ...]
    omitted: int
    upto: int


async def unread(tx: Transaction, task_id: UUID, agent_id: UUID, *, most: int) -> Unread:
    """What the agent has not been shown of the thread, read at one moment."""
    rows = await tx.rows(queries.UNREAD, tx.account_id, task_id, agent_id, most)
    if not rows:
        return Unread(rows=(), omitted=0, upto=0)
    shown = tuple(row for row in rows if row["id"] is not None)
    return Unread(rows=shown, omitted=rows[0]["total"] - len(shown), upto=rows[0]["upto"])


def advance(tx: Transaction, task_id: UUID, agent_id: UUID, upto: int) -> None:
    """The agent has been shown the thread up to here; it never goes back."""
    if upto > 0:
        tx.put(queries.ADVANCE, {"task_id": task_id, "agent_id": agent_id, "seen": upto})
