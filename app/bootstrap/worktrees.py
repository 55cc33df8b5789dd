"""Worktrees for people and for the clock: wanting one, looking at one, listing them, and sweeping what nobody works in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app.bootstrap import ordering, places, settling, spots, working
from app.bootstrap.git import trees, work
from app.bootstrap.outside import Outside
from app.bootstrap.queries import worktrees as queries
from app.bootstrap.rules import worktrees as rules
from app.bootstrap.types.vcs import GitError, Place, Tree
from app.bootstrap.vcs_schemas import TaskWorktreeView
from app.kernel.db import Database
from app.kernel.errors import InvalidTransition
from app.kernel.ids import OLDEST_ID, new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import Body
from app.runtime.handlers import Attempt
from app.runtime.service import Order, enqueue
from app.tasks import reading, worktrees
from app.tasks.types import WorktreeState
from app.tasks.worktrees import Settled

AWAITING_MOST, PAGE, ORPHANS_MOST = 500, 200, 50
STALE_SECONDS = 120.0
ORPHAN = "refs/callboard/rescued/orphan-{}"
NONE = "nobody has claimed the task yet, which is when its worktree is made"
log = structlog.get_logger()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A worktree that is there by its row, as a sweep sees it; one is over whose task is closed or went to another repository."""

    id: UUID
    task_id: UUID
    repository_id: UUID
    state: WorktreeState
    path: str | None
    is_closed: bool
    is_over: bool
    is_old: bool
    has_clone: bool


async def awaited(tx: Transaction, repository_id: UUID) -> int:
    """The clone of a repository is there: what waited for it is made now. Answers how many tasks did."""
    task_ids = [row["task_id"] for row in await tx.rows(queries.AWAITING, tx.account_id, repository_id, AWAITING_MOST)]
    for task_id in task_ids:
        worktrees.want(tx, task_id, repository_id)
        settling.order(tx, task_id, actor=None, key=new_id())
    return len(task_ids)


async def wanted(tx: Transaction, principal: Principal, task_id: UUID, _body: Body) -> TaskWorktreeView:
    """Have the task's worktree made, also where that failed before."""
    task = await reading.one(tx, task_id)
    if task.status in rules.CLOSED:
        raise InvalidTransition(
            f"a {task.status} task needs no worktree", **{"from": task.status, "to": task.status, "allowed": ()}
        )
    spot = await spots.of_task(tx, task_id)
    if spot is None or not spot.has_url:
        raise working.unusable(rules.OFF, reason="disabled")
    worktrees.want(tx, task_id, spot.repository_id)
    settling.order(tx, task_id, actor=principal, key=new_id())
    await tx.flush()
    return await _view(tx, task_id)


async def look(database: Database, principal: Principal, origin: Origin, task_id: UUID) -> TaskWorktreeView:
    """The task's worktree as it is now; what is stored where it cannot be looked at."""
    async with database.transaction(principal.account_id, origin=origin) as tx:
        view = await _view(tx, task_id)
        spot = await spots.of_task(tx, task_id)
    if spot is None or spot.tree is None or view.worktree is None:
        return view
    if spot.state not in {WorktreeState.READY, WorktreeState.KEPT}:
        return view
    outside: Outside = database.outside
    try:
        seen = await work.observe(outside.git, spot.tree)
    except GitError as error:
        return msgspec.structs.replace(view, remark=error.advice)
    async with database.transaction(principal.account_id, origin=origin) as tx:
        settled = Settled(id=spot.id or task_id, problem=spot.problem)
        settling.saw(settled, seen)
        worktrees.settle(tx, settled)
        await tx.flush()
        return await _view(tx, task_id)


async def _view(tx: Transaction, task_id: UUID) -> TaskWorktreeView:
    found = await worktrees.one(tx, task_id)
    if found is not None:
        return TaskWorktreeView(task_id=task_id, worktree=found, remark=found.problem)
    spot = await spots.of_task(tx, task_id)
    return TaskWorktreeView(task_id=task_id, worktree=None, remark=NONE if spot and spot.has_url else rules.OFF)


async def listed(tx: Transaction) -> list[Any]:
    """All that are there."""
    return [row async for rows in _pages(tx, queries.LISTED) for row in rows]


async def _pages(tx: Transaction, sql: str, *more: object) -> AsyncIterator[list[Any]]:
    last = OLDEST_ID
    while rows := await tx.rows(sql, tx.account_id, last, PAGE, *more):
        yield rows
        last = rows[-1]["id"]


async def sweep(attempt: Attempt) -> dict[str, int]:
    """Compare what is on disk with what tasks need; answers how many were ordered anew, marked as gone, and taken away."""
    async with attempt.transaction() as tx:
        there = [
            msgspec.convert(dict(row), Standing) async for rows in _pages(tx, queries.STANDING, STALE_SECONDS) for row in rows
        ]
        repositories = [dict(row) for row in await tx.rows(queries.REPOSITORIES, tx.account_id)]
    gone = await asyncio.to_thread(_gone, there)
    async with attempt.transaction() as tx:
        ordered = _ordered(tx, there, gone)
    orphans = await _orphaned(attempt, there, repositories)
    return {"ordered": ordered, "gone": len(gone), "orphans": orphans}


def order_sweep(tx: Transaction) -> None:
    """Have the sweep done now, beside its schedule."""
    enqueue(tx, Order(type=ordering.SWEEP, idempotency_key=str(new_id()), payload={}), actor=None)


def _gone(there: Sequence[Standing]) -> set[UUID]:
    """Those whose directory vanished."""
    has_dir = (WorktreeState.READY, WorktreeState.KEPT)
    return {one.id for one in there if one.state in has_dir and one.path and not Path(one.path).is_dir()}


def _ordered(tx: Transaction, there: Sequence[Standing], gone: set[UUID]) -> int:
    """What vanished is made anew where its task goes on, and what was left undone is done."""
    ordered = 0
    for one in there:
        is_undone = one.state is WorktreeState.WANTED or (one.is_over and not (one.is_closed and one.state is WorktreeState.KEPT))
        if one.id in gone:
            state = WorktreeState.REMOVED if one.is_closed else WorktreeState.WANTED
            worktrees.settle(tx, Settled(id=one.id, state=state, problem="its directory vanished"))
        if (one.id in gone and not one.is_closed) or (is_undone and one.is_old and one.has_clone):
            settling.order(tx, one.task_id, actor=None, key=new_id())
            ordered += 1
    return ordered


async def _orphaned(attempt: Attempt, there: Sequence[Standing], repositories: Sequence[dict[str, Any]]) -> int:
    """Take away worktrees below this account's directory that no row knows; what was not committed there is rescued."""
    outside: Outside = attempt.database.outside
    known = {one.path for one in there}
    taken = 0
    for row in repositories:
        place = spots.place(row)
        root = places.worktrees(outside.settings) / row["account_slug"] / row["name"]
        if place is None:
            continue
        try:
            found = [one for one in await trees.listed(outside.git, place) if one.path.is_relative_to(root)]
        except GitError as error:
            log.warning("worktrees_unlisted", repository=row["name"], trouble=error.trouble)
            continue
        for one in found[:ORPHANS_MOST]:
            if str(one.path) not in known and one.branch is not None:
                taken += await _take(outside, place, one.path, one.branch)
    return taken


async def _take(outside: Outside, place: Place, path: Path, branch: str) -> int:
    tree = Tree(clone=place.directory, path=path, branch=branch, base_branch=place.base_branch or "")
    try:
        await trees.remove(outside.git, tree, rescue=ORPHAN.format(new_id()))
    except GitError as error:
        log.warning("worktree_stays", worktree=path.name, trouble=error.trouble)
        return 0
    return 1
