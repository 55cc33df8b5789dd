"""How a card moves: one table for everybody, what each state needs, and what assignment and birth come to."""

from collections.abc import Mapping
from types import MappingProxyType

from app.tasks.types import Birth, Closed, Illegal, Missing, Move, Requirement, TaskStatus

_INBOX, _ASSIGNED, _IN_PROGRESS = TaskStatus.INBOX, TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS
_REVIEW, _DONE, _BLOCKED, _ARCHIVED = TaskStatus.REVIEW, TaskStatus.DONE, TaskStatus.BLOCKED, TaskStatus.ARCHIVED

MOVES: Mapping[TaskStatus, tuple[TaskStatus, ...]] = MappingProxyType(
    {
        _INBOX: (_ASSIGNED, _ARCHIVED),
        _ASSIGNED: (_IN_PROGRESS, _BLOCKED, _INBOX, _ARCHIVED),
        _IN_PROGRESS: (_REVIEW, _BLOCKED, _ARCHIVED),
        _REVIEW: (_DONE, _IN_PROGRESS, _BLOCKED, _ARCHIVED),
        _BLOCKED: (_ASSIGNED, _IN_PROGRESS, _ARCHIVED),
        _DONE: (_ARCHIVED,),
        _ARCHIVED: (),
    }
)

# What the board itself does when a lease ends or an assignee goes; nobody may ask for these.
SYSTEM_MOVES: Mapping[TaskStatus, tuple[TaskStatus, ...]] = MappingProxyType(
    {
        _ASSIGNED: (_INBOX,),
        _IN_PROGRESS: (_ASSIGNED, _INBOX),
    }
)

BIRTHS = (_INBOX, _ASSIGNED, _IN_PROGRESS, _BLOCKED)
# From these a claim starts the work; a claim of a task in progress only takes it over.
STARTS_FROM = frozenset({_INBOX, _ASSIGNED})
_STARTED = frozenset({_ASSIGNED, _IN_PROGRESS})

_NEEDS = MappingProxyType(
    {
        Requirement.ASSIGNEE: "this state needs an assignee",
        Requirement.NO_ASSIGNEE: "an inbox task has no assignee",
        Requirement.BLOCKED_REASON: "a blocked task needs a reason",
    }
)


def allowed(start: TaskStatus) -> tuple[TaskStatus, ...]:
    return MOVES[start]


def move(*, start: TaskStatus, goal: TaskStatus, assignees: int, blocked_reason: str | None) -> Move | Illegal | Missing:
    if goal not in MOVES[start]:
        return Illegal(start=start, goal=goal, allowed=MOVES[start])
    missing = _missing(goal, assignees=assignees, blocked_reason=blocked_reason)
    return missing or Move(start=start, goal=goal, clears_reason=start is _BLOCKED)


def after_assignment(*, status: TaskStatus, before: int, after: int, starter_removed: bool) -> TaskStatus | Closed:
    """Where a card stands once its assignees changed from `before` to `after` many."""
    if status in (_DONE, _ARCHIVED):
        return Closed(status=status)
    if status is _INBOX and before == 0 < after:
        return _ASSIGNED
    if status in _STARTED and after == 0:
        return _INBOX
    if status is _IN_PROGRESS and starter_removed:
        return _ASSIGNED
    return status


def birth(
    *,
    wanted: TaskStatus | None,
    creator_is_agent: bool,
    creator_is_orchestrator: bool,
    creator_named: bool,
    assignees: int,
    blocked_reason: str | None,
) -> Birth | Missing | Illegal:
    """The state of a new card; `assignees` counts everyone the creator named, itself included."""
    goal = wanted or _INBOX
    if goal not in BIRTHS:
        return Illegal(start=None, goal=goal, allowed=BIRTHS)
    if creator_is_orchestrator:
        return _delegated(goal, creator_named=creator_named, assignees=assignees, blocked_reason=blocked_reason)
    if goal is _INBOX and assignees:
        goal = _ASSIGNED
    joins = creator_is_agent and goal in _STARTED and assignees == 0
    # Starting is an act of the one who starts: nobody else is put to work by a birth.
    if goal is _IN_PROGRESS and assignees and not creator_named:
        return Illegal(start=None, goal=goal, allowed=tuple(state for state in BIRTHS if state is not goal))
    missing = _missing(goal, assignees=assignees + joins, blocked_reason=blocked_reason)
    return missing or Birth(status=goal, assign_creator=joins)


def _delegated(goal: TaskStatus, *, creator_named: bool, assignees: int, blocked_reason: str | None) -> Birth | Missing:
    """The orchestrator hands work out and never becomes its executor by making a card."""
    others = assignees - creator_named
    if goal is not _BLOCKED:
        goal = _ASSIGNED if others else _INBOX
    missing = _missing(goal, assignees=others, blocked_reason=blocked_reason)
    return missing or Birth(status=goal, drop_creator=creator_named)


def reopen(status: TaskStatus) -> Move | Illegal:
    if status is _DONE:
        return Move(start=status, goal=_REVIEW)
    return Illegal(start=status, goal=_REVIEW, allowed=MOVES[status])


def restore(status: TaskStatus, *, assignees: int) -> Move | Illegal:
    goal = _ASSIGNED if assignees else _INBOX
    if status is _ARCHIVED:
        return Move(start=status, goal=goal)
    return Illegal(start=status, goal=goal, allowed=MOVES[status])


def _missing(goal: TaskStatus, *, assignees: int, blocked_reason: str | None) -> Missing | None:
    requirement = _unmet(goal, assignees=assignees, blocked_reason=blocked_reason)
    return None if requirement is None else Missing(requirement=requirement, detail=_NEEDS[requirement])


def _unmet(goal: TaskStatus, *, assignees: int, blocked_reason: str | None) -> Requirement | None:
    if goal in _STARTED and assignees == 0:
        return Requirement.ASSIGNEE
    if goal is _INBOX and assignees:
        return Requirement.NO_ASSIGNEE
    if goal is _BLOCKED and not (blocked_reason or "").strip():
        return Requirement.BLOCKED_REASON
    return None
