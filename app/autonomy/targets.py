"""Which version a thing has that an approval is about, asked of the rooms that know."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from app.kernel.errors import Missing
from app.kernel.transaction import Transaction


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


# Answers the thing, or raises Missing.
Reader = Callable[[Transaction, UUID], Awaitable[Versioned]]
_readers: dict[str, Reader] = {}


def register(kind: str, reader: Reader) -> None:
    """Ask `reader` for the things of this kind."""
    _readers[kind] = reader


def kinds() -> list[str]:
    return sorted(_readers)


async def version(tx: Transaction, kind: str, identity: UUID) -> int | None:
    """The thing's version now, None when it is gone; of a kind that nobody reads, nothing is known to be there."""
    reader = _readers.get(kind)
    if reader is None:
        return None
    try:
        return (await reader(tx, identity)).version
    except Missing:
        return None
