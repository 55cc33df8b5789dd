"""What waits for what: no task waits for itself, and what becomes of a task reaches those that wait for it (ruling 27)."""

from collections import defaultdict, deque
from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

import msgspec

from app.tasks.types import TaskStatus

DEPENDENTS_MOST = 200
CHILDREN_MOST = 200
# How many edges are followed before a change is refused as too much to check.
EDGES_MOST = 5_000

CLOSED = frozenset({TaskStatus.DONE, TaskStatus.ARCHIVED})
_UNSTARTED = frozenset({TaskStatus.INBOX, TaskStatus.ASSIGNED})
# In these somebody goes on once nothing is left to wait for.
_WAITING = _UNSTARTED | {TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED}

Edge = tuple[UUID, UUID]


class Turn(StrEnum):
    """What became of a task, as those see it that wait for it; `left` is a sub-task that was taken from its parent."""

    FINISHED = "finished"
    DROPPED = "dropped"
    REOPENED = "reopened"
    RESTORED = "restored"
    LEFT = "left"


class Effect(StrEnum):
    """What a turn comes to for a task that waits."""

    NONE = "none"
    READY = "ready"
    CHILDREN_CLOSED = "children_closed"
    DELAYED = "delayed"
    STRANDED = "stranded"
    REFUSED = "refused"


class LinkProblem(StrEnum):
    NEVER_DONE = "never_done"
    CLOSED = "closed"
    PARENT_CLOSED = "parent_closed"
    DEPENDENTS = "dependents"
    CHILDREN = "children"


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The task at the other end of a new edge, with how many depend on it and how many sub-tasks it has."""

    id: UUID
    title: str
    status: TaskStatus
    is_done: bool
    dependents: int
    children: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A task that waits for others that turned, and what it still waits for after that."""

    status: TaskStatus
    depends: bool
    is_parent: bool
    open_dependencies: int
    open_children: int


def turn(*, start: TaskStatus, goal: TaskStatus, was_done: bool) -> Turn | None:
    """`was_done` is also true of a task that was archived after it was done; moves between open states turn nothing."""
    if goal is TaskStatus.DONE:
        return Turn.FINISHED
    if goal is TaskStatus.ARCHIVED:
        return None if was_done else Turn.DROPPED
    if was_done:
        return Turn.REOPENED
    return Turn.RESTORED if start is TaskStatus.ARCHIVED else None


def effect(happened: Turn, waiting: Waiting) -> Effect:
    if happened in (Turn.REOPENED, Turn.RESTORED):
        return _set_back(happened, waiting)
    if waiting.status in CLOSED:
        return Effect.NONE
    if happened is Turn.DROPPED and waiting.depends:
        return Effect.STRANDED
    if waiting.depends and freed(waiting.status, before=1, after=waiting.open_dependencies):
        return Effect.READY
    # A task that cannot start yet for something else is not woken for its sub-tasks.
    may_act = waiting.open_dependencies == 0 or waiting.status not in _UNSTARTED
    if waiting.is_parent and waiting.open_children == 0 and may_act:
        return Effect.CHILDREN_CLOSED
    return Effect.NONE


def _set_back(happened: Turn, waiting: Waiting) -> Effect:
    if waiting.is_parent and waiting.status in CLOSED:
        return Effect.REFUSED
    if happened is Turn.REOPENED and waiting.status is not TaskStatus.ARCHIVED:
        return Effect.DELAYED
    return Effect.NONE


def freed(status: TaskStatus, *, before: int, after: int) -> bool:
    """Whether the last open dependency of a task in this state went, so that somebody should go on."""
    return before > 0 and after == 0 and status in _WAITING


def has_started(status: TaskStatus) -> bool:
    return status not in _UNSTARTED


def dependable(status: TaskStatus, end: End) -> LinkProblem | None:
    """Why a task in this state may not come to depend on that one."""
    if status in CLOSED:
        return LinkProblem.CLOSED
    if end.status is TaskStatus.ARCHIVED and not end.is_done:
        return LinkProblem.NEVER_DONE
    return LinkProblem.DEPENDENTS if end.dependents >= DEPENDENTS_MOST else None


def adoptable(status: TaskStatus, parent: End) -> LinkProblem | None:
    """Why a task in this state may not become a sub-task of that one: open sub-tasks have open parents."""
    if status not in CLOSED and parent.status in CLOSED:
        return LinkProblem.PARENT_CLOSED
    return LinkProblem.CHILDREN if parent.children >= CHILDREN_MOST else None


def cycle(edges: Iterable[Edge], start: UUID) -> tuple[UUID, ...]:
    """The shortest way from `start` back to itself, both ends named; empty where there is none."""
    leads: dict[UUID, list[UUID]] = defaultdict(list)
    for source, target in edges:
        leads[source].append(target)
    came_from: dict[UUID, UUID] = {}
    ahead = deque([start])
    while ahead:
        here = ahead.popleft()
        for target in leads[here]:
            if target == start:
                return (*_back(came_from, here, start), start)
            if target not in came_from:
                came_from[target] = here
                ahead.append(target)
    return ()


def _back(came_from: dict[UUID, UUID], here: UUID, start: UUID) -> tuple[UUID, ...]:
    way = [here]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
