"""What an emergency stop of a task comes to."""

from app.tasks.types import Illegal, Move, TaskStatus

STOPPABLE = (TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.REVIEW)


def stop(status: TaskStatus) -> Move | Illegal | None:
    """The move to `blocked`, or None where the task is there; of a refusal, `allowed` are the states that can be stopped."""
    if status is TaskStatus.BLOCKED:
        return None
    if status not in STOPPABLE:
        return Illegal(start=status, goal=TaskStatus.BLOCKED, allowed=STOPPABLE)
    return Move(start=status, goal=TaskStatus.BLOCKED)
