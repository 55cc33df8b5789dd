"""Worktrees as durable work: one command brings all of a task's to what the task needs now, however often it runs."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec

from app.bootstrap import spots
from app.bootstrap.git import trees, work
from app.bootstrap.git.program import Git
from app.bootstrap.queries import worktrees as queries
from app.bootstrap.rules import branches
from app.bootstrap.rules import worktrees as rules
from app.bootstrap.rules.worktrees import Aim, Standing
from app.bootstrap.types.vcs import GitError, Observed
from app.bootstrap.types.worktrees import Spot
from app.events import service as events
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.runtime.handlers import Attempt, Failed
from app.runtime.service import Order, enqueue
from app.runtime.taxonomy import command
from app.runtime.types import ErrorClass, Idempotency, Queue
from app.tasks import worktrees
from app.tasks.types import WorktreeState
from app.tasks.worktrees import Settled

SETTLE = "worktree.settle"
PROBLEM_MOST = 500
RETRY_SECONDS, TRIES = 3.0, 5


class Wanted(msgspec.Struct, frozen=True):
    task_id: UUID


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about one worktree, decided under the locks of a transaction that is over."""

    spot: Spot
    aim: Aim
    rescue: str = ""
    is_shared: bool = False
    problem: str | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """`word` goes into the event, `error` is what stood in the way."""

    settled: Settled
    word: str | None = None
    error: GitError | None = None


def order(tx: Transaction, task_id: UUID, *, actor: Principal | None, key: object) -> None:
    """Have the task's worktrees settled; those of one task are settled one after the other."""
    wanted = Order(type=SETTLE, idempotency_key=f"{task_id}:{key}", payload={"task_id": str(task_id)}, lane_id=task_id)
    enqueue(tx, wanted, actor=actor)


@command(
    SETTLE,
    payload=Wanted,
    owner="bootstrap",
    idempotency=Idempotency.ENTITY,
    # Whoever waits for another's git waits as a delivery does for its gateway.
    profile="delivery",
    queue=Queue.OUTBOUND,
    started_by=("task-claim", "task-status", "repository.sync", "repository.sweep"),
)
async def settle(attempt: Attempt) -> None:
    """Make the worktree of a task that is worked on, lock it to the holder, and keep or remove that of a closed one."""
    task_id = msgspec.json.decode(attempt.claim.payload, type=Wanted).task_id
    outside = attempt.database.outside
    async with attempt.transaction() as tx:
        steps = await _planned(tx, task_id, settings=outside.settings)
    done = [(step, await _taken(outside.git, step)) for step in steps]
    # After these, the sweep tries again.
    is_last = attempt.claim.waited >= TRIES
    passing = next((one.error for _, one in done if one.error is not None and one.error.may_pass), None)
    async with attempt.transaction() as tx:
        for step, outcome in done:
            _record(tx, step, outcome)
        if passing is None or is_last:
            attempt.finish(tx, {step.spot.repository: step.aim for step, _ in done})
    if passing is not None and not is_last:
        raise Failed(ErrorClass.UNAVAILABLE, str(passing), retry_after=RETRY_SECONDS)


async def _planned(tx: Transaction, task_id: UUID, *, settings: Settings) -> list[Step]:
    rows = await tx.rows(queries.LIVE, tx.account_id, task_id)
    return [await _step(tx, row, task_id, settings=settings) for row in rows]


async def _step(tx: Transaction, row: Any, task_id: UUID, *, settings: Settings) -> Step:
    spot = spots.read(row, task_id)
    aim = rules.aim(_standing(spot, row))
    if aim is Aim.FAIL:
        return Step(spot=spot, aim=aim, problem=spot.advice or rules.OFF)
    if aim is Aim.MAKE:
        try:
            spot = await spots.named(tx, spot, settings=settings, earlier=row["earlier"])
        except GitError as error:
            return Step(spot=spot, aim=Aim.FAIL, problem=error.advice)
        # Written before git is asked, so that a sweep knows whose the directory is.
        worktrees.settle(tx, _names(spot))
    return Step(spot=spot, aim=aim, rescue=branches.rescue(task_id, row["rescues"] + 1), is_shared=row["is_shared"])


def _standing(spot: Spot, row: Any) -> Standing:
    return Standing(
        state=spot.state or WorktreeState.WANTED,
        status=spot.status,
        is_current=row["is_current"],
        is_held=spot.holder is not None,
        is_made=spot.path is not None,
        keeps=spot.keep_worktrees,
        has_url=spot.has_url,
        clone=spot.clone,
        has_clone=spot.place is not None,
    )


def _names(spot: Spot) -> Settled:
    return Settled(id=_id(spot), branch=spot.branch, path=str(spot.path), gateway_path=spot.gateway_path, problem=spot.problem)


async def _taken(git: Git, step: Step) -> Outcome:
    """Take the step outside; what git cannot do is an outcome too."""
    spot, settled = step.spot, Settled(id=_id(step.spot))
    try:
        match step.aim:
            case Aim.MAKE:
                return await _made(git, spot, settled)
            case Aim.FOLLOW:
                return await _followed(git, spot, settled)
            case Aim.KEEP:
                return await _kept(git, spot, settled)
            case Aim.REMOVE:
                return await _removed(git, step, settled)
    except GitError as error:
        if not error.may_pass:
            settled.state = WorktreeState.FAILED
        settled.problem = error.advice[:PROBLEM_MOST]
        is_news = settled.state is not None and spot.state is not WorktreeState.FAILED
        return Outcome(settled=settled, word="failed" if is_news else None, error=error)
    return _outside_of_git(step, settled)


def _outside_of_git(step: Step, settled: Settled) -> Outcome:
    settled.problem = step.problem or step.spot.problem
    if step.aim is Aim.FAIL:
        settled.state = WorktreeState.FAILED
        return Outcome(settled=settled, word="failed")
    if step.aim is Aim.DROP:
        settled.state = WorktreeState.REMOVED
    return Outcome(settled=settled)


async def _made(git: Git, spot: Spot, settled: Settled) -> Outcome:
    tree, place = spot.tree, spot.place
    if tree is None or place is None:
        raise AssertionError("a worktree is made once it has a name and a clone")
    made = await trees.make(git, place, tree, reason=_reason(spot))
    if spot.holder is None:
        await trees.lock(git, tree, reason=None)
    settled.base, settled.state = made.base, WorktreeState.READY
    saw(settled, await work.observe(git, msgspec.structs.replace(tree, base=made.base)))
    return Outcome(settled=settled, word=None if spot.state is WorktreeState.READY else "ready")


async def _followed(git: Git, spot: Spot, settled: Settled) -> Outcome:
    tree = spot.tree
    if tree is not None and await asyncio.to_thread(tree.path.is_dir):
        await trees.lock(git, tree, reason=_reason(spot) if spot.holder else None)
    return Outcome(settled=settled)


async def _kept(git: Git, spot: Spot, settled: Settled) -> Outcome:
    if spot.tree is not None:
        await trees.lock(git, spot.tree, reason=None)
        saw(settled, await work.observe(git, spot.tree))
    settled.state = WorktreeState.KEPT
    return Outcome(settled=settled, word="kept")


async def _removed(git: Git, step: Step, settled: Settled) -> Outcome:
    tree = step.spot.tree
    settled.state = WorktreeState.REMOVED
    if tree is None or step.is_shared:
        # Another task of the same agent goes on there.
        return Outcome(settled=settled, word="removed")
    # Of a directory that is gone already, what was seen before is all that is known.
    with suppress(GitError):
        saw(settled, await work.observe(git, tree))
    settled.rescued = await trees.remove(git, tree, rescue=step.rescue)
    return Outcome(settled=settled, word="removed")


def saw(settled: Settled, seen: Observed) -> None:
    """Keep what git told."""
    settled.head, settled.base = seen.head, settled.base or seen.base
    settled.ahead, settled.behind, settled.unpushed = seen.ahead, seen.behind, seen.unpushed
    settled.files, settled.insertions, settled.deletions = seen.files, seen.insertions, seen.deletions
    settled.changes = len(seen.changes)
    settled.commits = msgspec.to_builtins(seen.commits)


def _record(tx: Transaction, step: Step, outcome: Outcome) -> None:
    if step.aim in {Aim.NOTHING, Aim.WAIT}:
        return
    worktrees.settle(tx, outcome.settled)
    if outcome.word is None:
        return
    spot, settled = step.spot, outcome.settled
    payload: dict[str, object] = {"task_id": spot.task_id, "repository": spot.repository, "branch": spot.branch}
    payload |= {name: getattr(settled, name) for name in ("problem", "rescued", "head") if getattr(settled, name)}
    events.record(tx, f"board:worktree:{outcome.word}", entity=("worktree", settled.id), actor=None, payload=payload)


def _reason(spot: Spot) -> str:
    return f"held by {spot.holder or spot.agent or 'nobody'}"


def _id(spot: Spot) -> UUID:
    if spot.id is None:
        raise AssertionError("a worktree is settled once it is wanted")
    return spot.id
