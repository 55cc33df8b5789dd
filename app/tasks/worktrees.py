"""Where the work on a task is done: wanting a worktree, what became of it, and showing it."""

from typing import Any
from uuid import UUID

import msgspec

from app.kernel.errors import Missing
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.tasks import scenes
from app.tasks.queries import worktrees as queries
from app.tasks.schemas.worktrees import WorktreeView
from app.tasks.types import WorktreeState


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    task_id: UUID
    repository_id: UUID


class Settled(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a worktree, or was seen of it; what is None stays as it was, but the problem."""

    id: UUID
    state: WorktreeState | None = None
    problem: str | None = None
    branch: str | None = None
    path: str | None = None
    gateway_path: str | None = None
    base: str | None = None
    head: str | None = None
    ahead: int | None = None
    behind: int | None = None
    unpushed: int | None = None
    files: int | None = None
    insertions: int | None = None
    deletions: int | None = None
    changes: int | None = None
    commits: list[Any] | None = None
    pushed_head: str | None = None
    rescued: str | None = None


def want(tx: Transaction, task_id: UUID, repository_id: UUID) -> None:
    """Ask for a worktree; the one that is there serves."""
    wanted = Wanted(id=new_id(), task_id=task_id, repository_id=repository_id)
    if not any(isinstance(row, Wanted) and row.task_id == task_id for row in tx.pending(queries.WANT)):
        tx.put(queries.WANT, wanted)


def settle(tx: Transaction, settled: Settled) -> None:
    tx.put(queries.SETTLE, settled)


def touch(tx: Transaction, task_id: UUID) -> None:
    """Count a change of the card that is in none of its fields."""
    tx.write(queries.TOUCH, tx.account_id, task_id, expect=1)


async def one(tx: Transaction, task_id: UUID) -> WorktreeView | None:
    """What is stored of the task's worktree."""
    row = await tx.row(queries.SHOWN, tx.account_id, task_id)
    if row is None:
        raise Missing.thing("task", task_id)
    return read(row["worktree"])


def read(text: str | None) -> WorktreeView | None:
    """A column of `WORKTREE_FIELDS`."""
    found: WorktreeView | None = scenes.read_json(text, WorktreeView)
    return found
