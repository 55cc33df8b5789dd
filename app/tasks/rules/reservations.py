"""Files that a task has for itself or shares: when that holds, and what keeps another task from starting."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from app.tasks.rules import globs
from app.tasks.types import Conflict, Lease, Reservation, ReservationMode, Rival

RESERVATIONS_MOST = 50
CONFLICTS_SHOWN = 20


def in_force(one: Reservation, *, fence: int, lease_until: datetime | None, now: datetime) -> bool:
    """It holds with the lease under which it was made, and no longer than its own time."""
    if one.fence is None or one.fence != fence or lease_until is None or lease_until <= now:
        return False
    return one.until is None or one.until > now


def ends(one: Reservation, *, lease_until: datetime | None) -> datetime | None:
    """When one that is in force ends, unless its lease is renewed."""
    if one.until is None or lease_until is None:
        return one.until or lease_until
    return min(one.until, lease_until)


def conflicts(wanted: Iterable[Reservation], rivals: Sequence[Rival]) -> tuple[Conflict, ...]:
    """What others have reserved that one of these wants too; two that share do not meet."""
    found = []
    for mine in wanted:
        for rival in rivals:
            if not _meet(mine, rival):
                continue
            found.append(Conflict(rival=rival, mine=mine.pattern))
            if len(found) >= CONFLICTS_SHOWN:
                return tuple(found)
    return tuple(found)


def _meet(mine: Reservation, rival: Rival) -> bool:
    if mine.mode is ReservationMode.SHARED and rival.mode is ReservationMode.SHARED:
        return False
    return globs.overlaps(mine.pattern, rival.pattern)


def freed(task_id: UUID, files: Iterable[tuple[str, ReservationMode]]) -> tuple[Rival, ...]:
    """What a task has no more, as it was for those that wanted it."""
    ended = datetime.min.replace(tzinfo=UTC)
    return tuple(Rival(task_id=task_id, title="", holder="", pattern=pattern, mode=mode, until=ended) for pattern, mode in files)


def merged(before: Iterable[Reservation], wanted: Iterable[Reservation]) -> tuple[Reservation, ...]:
    """What a task wants once these are added; the same pattern is wanted as it was asked for last."""
    known = {one.pattern: one for one in before} | {one.pattern: one for one in wanted}
    return tuple(known.values())


def under(lease: Lease, those: Iterable[Reservation], *, now: datetime) -> tuple[Reservation, ...]:
    """The same from now on in force with the lease."""

    def ending(one: Reservation) -> datetime | None:
        return None if one.ttl_seconds is None else now + timedelta(seconds=one.ttl_seconds)

    return tuple(msgspec.structs.replace(one, fence=lease.fence, until=ending(one)) for one in those)


def shown(one: Conflict) -> dict[str, object]:
    """Who has which files until when, as those read it that wait for them."""
    rival = one.rival
    who = {"task_id": rival.task_id, "title": rival.title, "holder": rival.holder}
    return {**who, "pattern": rival.pattern, "mine": one.mine, "mode": rival.mode, "until": rival.until}
