"""Which tasks are followed up: those whose assignees have given no sign for too long, the stalest first."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from app.tasks.types import TaskStatus

# Unfinished work first; what is blocked only where nothing else is followed up.
ORDER = (TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.ASSIGNED)


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """An open task with the last sign of an assignee; `askable` are those of them who may be asked now."""

    id: UUID
    status: TaskStatus
    sign: datetime
    askable: tuple[str, ...]


def silent(tasks: Iterable[Quiet], *, now: datetime, active: timedelta, blocked: timedelta) -> tuple[Quiet, ...]:
    """Those that nothing was heard of for too long, in the order in which they are followed up."""
    limits = dict.fromkeys(ORDER, active) | {TaskStatus.BLOCKED: blocked}
    stale = [one for one in tasks if one.status in limits and now - one.sign >= limits[one.status]]
    order = [*ORDER, TaskStatus.BLOCKED]
    return tuple(sorted(stale, key=lambda one: (order.index(one.status), one.sign, one.id)))


def next_silence(tasks: Iterable[Quiet], *, now: datetime, active: timedelta) -> datetime | None:
    """When the next task that is worked on will have been silent for too long, if nothing is heard of it."""
    ends = (one.sign + active for one in tasks if one.status in ORDER)
    return min((at for at in ends if at > now), default=None)


def chosen(stale: Sequence[Quiet], *, most: int) -> tuple[Quiet, ...]:
    """The first of them on which somebody may be asked; blocked ones only if there is no other."""
    askable = [one for one in stale if one.askable]
    working = [one for one in askable if one.status is not TaskStatus.BLOCKED]
    return tuple((working or askable)[: max(0, most)])
