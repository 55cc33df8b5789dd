"""The wire shapes of reserved files."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.confined import Escapes, parts
from app.kernel.wire import Body, View
from app.tasks.rules import globs
from app.tasks.rules.reservations import RESERVATIONS_MOST
from app.tasks.types import Reservation, ReservationMode

PATTERN_MOST = 255
Pattern = Annotated[str, Meta(min_length=1, max_length=PATTERN_MOST)]
Patterns = Annotated[list[Pattern], Meta(max_length=RESERVATIONS_MOST)]
Seconds = Annotated[int, Meta(ge=30, le=604_800)]


def normal(pattern: str) -> str:
    """The pattern as it is kept: a directory, which ends in a slash, means everything below it."""
    kept = f"{pattern}**" if pattern.endswith("/") and pattern != "/" else pattern
    try:
        wrong = globs.problem(parts(kept))
    except Escapes as error:
        wrong = str(error)
    if wrong:
        raise ValueError(f"not a pattern of paths within the repository: {wrong}")
    return kept


class Wish(Body):
    """Files of the repository that a task wants: a path, or a pattern with `*`, `?`, `[...]`, and `**` for any directories.

    `exclusive` lets no other task reserve them, `shared` only those that share too; without `ttl_seconds` as long as the lease.
    """

    pattern: Pattern
    mode: ReservationMode = ReservationMode.EXCLUSIVE
    ttl_seconds: Seconds | None = None

    def __post_init__(self) -> None:
        self.pattern = normal(self.pattern)


Wishes = Annotated[list[Wish], Meta(max_length=RESERVATIONS_MOST)]


def wanted(wishes: list[Wish]) -> tuple[Reservation, ...]:
    """Each pattern once, as it is wanted last."""
    known = {one.pattern: Reservation(pattern=one.pattern, mode=one.mode, ttl_seconds=one.ttl_seconds) for one in wishes}
    return tuple(known.values())


class ReservationView(View):
    """`until` is when one that is in force ends if its lease is not renewed; one that is not is wanted at the next claim."""

    pattern: str
    mode: ReservationMode
    ttl_seconds: int | None
    in_force: bool
    until: datetime | None


class HeldFilesView(View):
    """Files that the holder of a task has until then, unless it renews its lease."""

    id: UUID
    task_id: UUID
    title: str
    holder: str
    repository: str | None
    pattern: str
    mode: ReservationMode
    ttl_seconds: int | None
    until: datetime
    created_at: datetime


class HeldFilesPage(View):
    items: list[HeldFilesView]
    next_cursor: str | None
    limit: int
