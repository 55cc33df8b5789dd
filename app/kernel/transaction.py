"""One transaction of one account: what a request or a command's attempt reads and writes."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.controls import Controls
from app.kernel.errors import Fenced
from app.kernel.types import Origin
from app.kernel.writes import Write, composed, ordered

Subscriber = Callable[["Transaction", Any], Awaitable[None]]
Subscribers = dict[type, list[Subscriber]]


def together(*rooms: Subscribers) -> Subscribers:
    """What several rooms subscribe to, each in its turn."""
    all_of_them: Subscribers = defaultdict(list)
    for room in rooms:
        for kind, subscribers in room.items():
            all_of_them[kind].extend(subscribers)
    return dict(all_of_them)


class Transaction:
    """Writes are gathered and sent as one statement before COMMIT, so a verb costs four round trips, not a dozen."""

    def __init__(
        self,
        connection: Any,
        *,
        account_id: UUID,
        origin: Origin,
        subscribers: Subscribers,
        controls: Controls,
    ) -> None:
        self._connection: Any = connection
        self._writes: dict[Write, tuple[object, ...]] = {}
        self._expected: dict[Write, int] = {}
        self._rows: dict[Write, list[object]] = defaultdict(list)
        self._subscribers = subscribers
        self.account_id = account_id
        self.origin = origin
        self.controls = controls
        self.wakes: set[tuple[str, str]] = set()

    async def row(self, sql: str, *arguments: object) -> Any:
        return await self._connection.fetchrow(sql, *arguments)

    async def rows(self, sql: str, *arguments: object) -> list[Any]:
        found: list[Any] = await self._connection.fetch(sql, *arguments)
        return found

    async def value(self, sql: str, *arguments: object) -> Any:
        return await self._connection.fetchval(sql, *arguments)

    async def fresh_row(self, sql: str, *arguments: object) -> Any:
        """Read a locked row and what hangs on it; its column `is_fresh` says whether both are of one moment.

        A statement that waited for the row's lock sees the new row beside the old rows of other tables.
        """
        row = await self.row(sql, *arguments)
        if row is None or row["is_fresh"]:
            return row
        return await self.row(sql, *arguments)

    async def fresh_rows(self, sql: str, *arguments: object) -> list[Any]:
        """The same for several rows."""
        rows = await self.rows(sql, *arguments)
        return rows if all(row["is_fresh"] for row in rows) else await self.rows(sql, *arguments)

    def write(self, write: Write, *arguments: object, expect: int | None = None) -> None:
        """Add a write to this transaction's one statement; fewer rows than expected undo everything as Fenced."""
        if write in self._writes:
            raise RuntimeError(f"{write.name} is written twice in one statement")
        self._writes[write] = arguments
        if expect is not None:
            self._expected[write] = expect

    def put(self, write: Write, row: object) -> None:
        """Add a row to a write that takes its account and a JSON list of rows."""
        self._rows[write].append(row)

    def pending(self, write: Write) -> list[object]:
        return self._rows[write]

    async def tell(self, event: object) -> None:
        """Let the rooms above react to what happened, inside this transaction."""
        for subscriber in self._subscribers.get(type(event), ()):
            await subscriber(self, event)

    def wake(self, channel: str, subject: object) -> None:
        """Wake the readers of `channel` once this transaction is committed."""
        self.wakes.add((channel, str(subject)))

    async def flush(self) -> None:
        """Send all gathered writes as one statement."""
        arguments = dict(self._writes)
        expected = dict(self._expected)
        for write, rows in self._rows.items():
            if rows:
                arguments[write] = (self.account_id, msgspec.json.encode(rows).decode())
                if write.is_exact:
                    expected[write] = len(rows)
        self._writes, self._rows, self._expected = {}, defaultdict(list), {}
        if not arguments:
            return
        writes = ordered(arguments)
        values = [value for write in writes for value in arguments[write]]
        counts = await self.value(composed(writes), *values)
        for write, count in zip(writes, counts, strict=True):
            if count != expected.get(write, count):
                if write.short is not None:
                    raise type(write.short)(write.short.message)
                raise Fenced(f"{write.name} wrote {count} rows, not {expected[write]}")
