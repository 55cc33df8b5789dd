"""Statements that several rooms contribute to one round trip: each write is a CTE, composed once and then prepared."""

import re
from collections.abc import Iterable
from functools import cache

from app.kernel.errors import CallboardError

LANES, EVENTS = 1, 2


class Write:
    """One or more CTEs with their own `$1…`, the one called `name` counting the rows.

    `rank` orders the locks that many transactions want: they are taken last, lanes before the event counter, so
    that nothing is awaited while they are held; `{after}` in the text becomes the condition that enforces it.
    `is_exact` refuses to commit when fewer rows were written than were given, with `short` or as Fenced.
    """

    __slots__ = ("is_exact", "name", "parameters", "rank", "short", "sql")

    def __init__(self, name: str, sql: str, *, rank: int = 0, is_exact: bool = True, short: CallboardError | None = None) -> None:
        self.name = name
        self.sql = sql
        self.rank = rank
        self.is_exact = is_exact
        self.short = short
        self.parameters = max((int(number) for number in re.findall(r"\$(\d+)", sql)), default=0)


@cache
def composed(writes: tuple[Write, ...]) -> str:
    """One statement of all writes; it answers how many rows each of them wrote, in their order."""
    parts: list[str] = []
    offset = 0
    for position, write in enumerate(writes):
        after = "".join(f" AND (SELECT count(*) FROM {earlier.name}) >= 0" for earlier in writes[:position])
        parts.append(_shifted(write.sql, offset).replace("{after}", after))
        offset += write.parameters
    counts = ", ".join(f"(SELECT count(*) FROM {write.name})" for write in writes)
    return f"WITH {', '.join(parts)} SELECT ARRAY[{counts}]"


def ordered(writes: Iterable[Write]) -> tuple[Write, ...]:
    return tuple(sorted(writes, key=lambda write: write.rank))


def _shifted(sql: str, offset: int) -> str:
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + offset}", sql)
