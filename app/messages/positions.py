"""How far each agent has been shown a thread."""

from typing import Any
from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """The newest messages behind an agent's position, oldest first, without its own; `upto` is where the thread ends now."""

    rows: tuple[Any, ...]
    omitted: int
    upto: int


async def unread(tx: Transaction, task_id: UUID, agent_id: UUID, *, most: int) -> Unread:
    """What the agent has not been shown of the thread."""
    return Unread(rows=(), omitted=0, upto=0)


def advance(tx: Transaction, task_id: UUID, agent_id: UUID, upto: int) -> None:
    """The agent has been shown the thread up to here; it never goes back."""
