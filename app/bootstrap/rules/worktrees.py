"""What becomes of a worktree, given how its task and the clone of its repository stand."""

from enum import StrEnum

import msgspec

from app.bootstrap.types.vcs import CloneState
from app.tasks.types import TaskStatus, WorktreeState

OFF = "the repository has no address, so version control is off"
CLOSED = frozenset({TaskStatus.DONE, TaskStatus.ARCHIVED})


class Aim(StrEnum):
    """`follow` only says who works there; `drop` is for one that was never made; `wait` is for the clone."""

    MAKE = "make"
    FOLLOW = "follow"
    KEEP = "keep"
    REMOVE = "remove"
    DROP = "drop"
    WAIT = "wait"
    FAIL = "fail"
    NOTHING = "nothing"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`is_current`: the task's work still goes to this repository; `is_made`: it was there once; `has_clone`: so is its clone."""

    state: WorktreeState
    status: TaskStatus
    is_current: bool = True
    is_held: bool = False
    is_made: bool = False
    keeps: bool = False
    has_url: bool = True
    clone: CloneState | None = None
    has_clone: bool = False


def aim(standing: Standing) -> Aim:
    """The one next step; asked again after it, there is nothing left to do."""
    if standing.state is WorktreeState.REMOVED:
        return Aim.NOTHING
    if standing.status in CLOSED or not standing.is_current:
        return _ended(standing)
    if standing.state is WorktreeState.FAILED or (standing.state is WorktreeState.KEPT and not standing.is_held):
        return Aim.NOTHING
    if not standing.has_url or standing.clone is CloneState.OFF:
        return Aim.FAIL
    if not standing.has_clone:
        return Aim.FAIL if standing.clone is CloneState.DEGRADED else Aim.WAIT
    return Aim.MAKE if standing.is_held or standing.state is WorktreeState.WANTED else Aim.FOLLOW


def _ended(standing: Standing) -> Aim:
    if not standing.is_made:
        return Aim.DROP
    if not (standing.keeps and standing.is_current):
        # Without its clone nothing can be asked of git.
        return Aim.REMOVE if standing.has_clone else Aim.DROP
    return Aim.NOTHING if standing.state is WorktreeState.KEPT else Aim.KEEP
