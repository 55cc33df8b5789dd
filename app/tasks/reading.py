"""Reading cards, without locks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET

from app.kernel.errors import Missing
from app.kernel.ids import NEWEST_ID
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import queries, scenes, worktrees
from app.tasks.schemas import TaskView
from app.tasks.types import Scene, TaskStatus


async def one(tx: Transaction, task_id: UUID) -> TaskView:
    row = await tx.row(queries.TASK, tx.account_id, task_id)
    if row is None:
        raise Missing.thing("task", task_id)
    view = scenes.view(row)
    view.worktree = worktrees.read(row["worktree"]) or UNSET
    return view


async def survey(tx: Transaction, principal: Principal, *, names: Sequence[str] = ()) -> Scene:
    """Refuse whoever may not look over all tasks; answers the account's crew that bears these names."""
    scene = await scenes.stage(tx, principal, names=names)
    policies.require(Action.TASK_SURVEY, principal=principal, account=scene.account, crew=scene.crew)
    return scene


async def page(
    tx: Transaction, *, status: TaskStatus | None, assignee: str | None, limit: int | None, before: UUID | None
) -> Page:
    """A page of cards, newest first; archived ones only when asked for."""
    size = clamped(limit)
    start = before or NEWEST_ID
    rows: list[Any]
    if assignee is not None:
        rows = await tx.rows(queries.NEWEST_OF_AGENT, tx.account_id, start, status, size + 1, scenes.slug(assignee))
    elif status is not None:
        rows = await tx.rows(queries.NEWEST_OF_STATUS, tx.account_id, start, status, size + 1)
    else:
        rows = await tx.rows(queries.NEWEST, tx.account_id, start, size + 1)
    items = [scenes.listed(row) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1]["id"]) if len(rows) > size else None, limit=size)
