"""What a task waits for, and what becomes of those that wait for it."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import DependencyArchived, DependencyOpen, InvalidTransition, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.tasks import scenes
from app.tasks.changes import depth_of
from app.tasks.queries import graph as queries
from app.tasks.rules import graph as rules
from app.tasks.rules.graph import Effect, End, Turn, Waiting
from app.tasks.schemas.graph import GraphView, LinkedView
from app.tasks.types import Card, Happening, Linked, Scene, TaskDelayed, TaskReady, TaskStatus, Tie

TIES = {Effect.READY: Tie.DEPENDENCY, Effect.CHILDREN_CLOSED: Tie.CHILD}


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks as they were before they turned together, and the scene in which it was done."""

    turn: Turn
    cards: Sequence[Card]
    scene: Scene


def require_startable(scene: Scene) -> None:
    """Refuse to start a task while something that it depends on is not done."""
    waiting = [one for one in scene.dependencies if not one.is_done]
    if not waiting:
        return
    if archived := [one for one in waiting if one.status is TaskStatus.ARCHIVED]:
        raise DependencyArchived("a task that this one depends on was archived before it was done", dependencies=shown(archived))
    raise DependencyOpen("this task waits for others that are not done", dependencies=shown(waiting))


def require_closable(scene: Scene) -> None:
    """Refuse to close a task while it has open sub-tasks."""
    if scene.open_children:
        raise DependencyOpen("this task has sub-tasks that are not done", children=shown(scene.open_children))


def shown(those: Iterable[Linked | End]) -> list[dict[str, Any]]:
    return [{"id": one.id, "title": one.title, "status": one.status} for one in those]


async def around(tx: Transaction, task_id: UUID) -> GraphView:
    """What the task waits for and what waits for it."""
    row = await tx.row(queries.AROUND, tx.account_id, task_id)
    if row is None:
        raise Missing.thing("task", task_id)
    lists = {name: scenes.read_json(row[name], list[LinkedView]) for name in ("dependencies", "dependents", "children")}
    return GraphView(task_id=row["id"], parent=scenes.read_json(row["parent"], LinkedView), **lists)


async def follow(
    tx: Transaction,
    principal: Principal,
    card: Card,
    scene: Scene,
    *,
    goal: TaskStatus,
    family: Sequence[tuple[Card, Scene]] = (),
) -> None:
    """Settle what a move to `goal` comes to for those that wait; `family` is archived along with the task."""
    was_done = card.status in rules.CLOSED and card.completed_at is not None
    happened = rules.turn(start=card.status, goal=goal, was_done=was_done)
    if happened is None:
        return
    moved = [(card, scene), *family]
    waiters = {one for _, seen in moved for one in seen.waiters} | {one.parent_id for one, _ in moved if one.parent_id}
    waiters -= {one.id for one, _ in moved}
    turned = Turned(turn=happened, cards=[one for one, _ in moved], scene=scene)
    # A fixed order, so that two that finish at once do not wait for each other.
    await settle(tx, principal, turned, await scenes.several(tx, principal, sorted(waiters)))


async def settle(tx: Transaction, principal: Principal, turned: Turned, those: Iterable[tuple[Card, Scene]]) -> None:
    """Tell each task that waits, under its lock, what it comes to; every row is touched, for those that wait for the lock."""
    for card, scene in those:
        waiting = _waiting(turned, card, scene)
        if waiting is None:
            continue
        outcome = rules.effect(turned.turn, waiting)
        if outcome is Effect.REFUSED:
            words = f"its parent is {card.status}, and an open sub-task has an open parent: bring that back first"
            raise InvalidTransition(words, parent={"id": card.id, "title": card.title, "status": card.status})
        is_news = outcome is not Effect.NONE
        tx.put(queries.TOUCH, {"id": card.id, "steps": int(is_news)})
        if is_news:
            await _tell(tx, principal, turned, card, scene, outcome)


def _waiting(turned: Turned, card: Card, scene: Scene) -> Waiting | None:
    """None for a task that waited no longer when its lock was got."""
    ids = {one.id for one in turned.cards}
    finished = ids if turned.turn is Turn.FINISHED else frozenset()
    depends = turned.turn is not Turn.LEFT and any(one.id in ids for one in scene.dependencies)
    is_parent = any(one.parent_id == card.id for one in turned.cards)
    if not depends and not is_parent:
        return None
    return Waiting(
        status=card.status,
        depends=depends,
        is_parent=is_parent,
        open_dependencies=sum(not one.is_done and one.id not in finished for one in scene.dependencies),
        open_children=sum(one.id not in ids for one in scene.open_children),
    )


async def _tell(tx: Transaction, principal: Principal, turned: Turned, card: Card, scene: Scene, outcome: Effect) -> None:
    after = msgspec.structs.replace(card, version=card.version + 1, updated_at=scene.now)
    is_ready = outcome in TIES
    causes = [one for one in turned.cards if one.parent_id == card.id or any(one.id == dep.id for dep in scene.dependencies)]
    event_id = events.record(
        tx,
        "board:task:ready" if is_ready else "board:task:waiting",
        entity=("task", card.id),
        sequence=after.version,
        actor=principal,
        payload={"because": turned.turn, "tasks": [one.id for one in causes]},
    )
    told = _heard(principal, turned, after, scene, event_id=event_id)
    if is_ready:
        await tx.tell(TaskReady(**told, tie=TIES[outcome]))
    else:
        titles = tuple(one.title for one in causes)
        await tx.tell(TaskDelayed(**told, others=titles, is_stranded=outcome is Effect.STRANDED))


def _heard(principal: Principal, turned: Turned, card: Card, scene: Scene, *, event_id: UUID) -> dict[str, Any]:
    """The happening as those hear it that follow `card`; its cause is what woke the actor, elsewhere on the board."""
    seen = msgspec.structs.replace(scene, wake=turned.scene.wake)
    happened = Happening(event_id=event_id, card=card, scene=seen, actor=principal, depth=depth_of(seen, principal))
    return msgspec.structs.asdict(happened)
