"""Making and removing the edges of the graph: what a task depends on, and whose sub-task it is."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.kernel.errors import CallboardError, DependencyArchived, DependencyCycle, InvalidTransition, Missing, RequirementFailed
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import graph, scenes
from app.tasks.changes import depth_of
from app.tasks.graph import Turned
from app.tasks.queries import graph as queries
from app.tasks.rules import graph as rules
from app.tasks.rules.graph import End, LinkProblem, Turn
from app.tasks.schemas import TaskEdit
from app.tasks.types import Card, Linked, Scene, TaskReady, TaskStatus, Tie


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The edges of a task after an edit; `parents` are its old and its new parent where they differ."""

    parent_id: UUID | None
    dependencies: tuple[Linked, ...]
    added: tuple[UUID, ...] = ()
    removed: tuple[UUID, ...] = ()
    parents: tuple[tuple[Card, Scene], ...] = ()

    def payload(self, card: Card) -> dict[str, Any]:
        """What the event says of it."""
        said: dict[str, Any] = {}
        if self.added or self.removed:
            said["depends_on"] = {"added": self.added, "removed": self.removed}
        if self.parent_id != card.parent_id:
            said["parent_id"] = {"from": card.parent_id, "to": self.parent_id}
        return said


async def serialise(tx: Transaction, depends_on: Sequence[UUID] | UnsetType, parent_id: UUID | UnsetType | None) -> None:
    """Let one change of the account's graph that may close a cycle follow the other; called before any task is locked."""
    if depends_on or parent_id:
        await tx.value(queries.SERIALISE, tx.account_id)


async def at_birth(tx: Transaction, principal: Principal, card: Card, scene: Scene, depends_on: Iterable[UUID]) -> Scene:
    """Tie a new task to what it depends on and to its parent; only a task that has both can close a cycle."""
    wanted = tuple(dict.fromkeys(depends_on))
    if not wanted and card.parent_id is None:
        return scene
    if wanted and card.parent_id is not None:
        await serialise(tx, wanted, card.parent_id)
    ends = await _ends(tx, [*wanted, card.parent_id] if card.parent_id else wanted)
    if card.parent_id is not None and principal.kind is ActorKind.AGENT:
        _refuse_stranger(principal, *await scenes.load(tx, principal, card.parent_id))
    _refuse_problems(card, ends, added=wanted, parent_id=card.parent_id)
    if wanted and card.parent_id is not None:
        await _refuse_cycle(tx, card, depends_on=wanted, parent_id=card.parent_id)
    for one in wanted:
        tx.put(queries.LINK, {"task_id": card.id, "depends_on_id": one})
    for one in ends:
        tx.put(queries.TOUCH, {"id": one, "steps": 0})
    tied = msgspec.structs.replace(scene, dependencies=tuple(_linked(ends[one]) for one in wanted))
    if card.status is TaskStatus.IN_PROGRESS:
        graph.require_startable(tied)
    return tied


def named(card: Card, depends_on: Iterable[UUID]) -> dict[str, Any]:
    """What the event of a task's birth says of its edges."""
    said = {"depends_on": list(dict.fromkeys(depends_on)), "parent_id": card.parent_id}
    return {name: value for name, value in said.items() if value}


async def relinked(tx: Transaction, principal: Principal, card: Card, scene: Scene, change: TaskEdit) -> Links:
    """Decide and write what an edit does to the edges of a task; absent fields leave them."""
    before = tuple(one.id for one in scene.dependencies)
    wanted = before if change.depends_on is UNSET else tuple(dict.fromkeys(change.depends_on))
    parent_id = card.parent_id if change.parent_id is UNSET else change.parent_id
    added = tuple(one for one in wanted if one not in before)
    removed = tuple(one for one in before if one not in wanted)
    moves = parent_id != card.parent_id
    if not added and not removed and not moves:
        return Links(parent_id=parent_id, dependencies=scene.dependencies)
    adopter = parent_id if moves else None
    ends = await _ends(tx, [*added, adopter] if adopter else added)
    parents = await scenes.several(tx, principal, sorted(one for one in {card.parent_id, parent_id} if one and moves))
    for parent in parents:
        _refuse_stranger(principal, *parent)
    _refuse_problems(card, ends, added=added, parent_id=adopter)
    if added or adopter:
        await _refuse_cycle(tx, card, depends_on=wanted, parent_id=parent_id)
    links = Links(
        parent_id=parent_id,
        dependencies=(*(one for one in scene.dependencies if one.id in wanted), *(_linked(ends[one]) for one in added)),
        added=added,
        removed=removed,
        parents=tuple(parents),
    )
    _write(tx, card, links)
    return links


def _write(tx: Transaction, card: Card, links: Links) -> None:
    for one in links.added:
        tx.put(queries.LINK, {"task_id": card.id, "depends_on_id": one})
    if links.removed:
        tx.write(queries.UNLINK, tx.account_id, card.id, list(links.removed), expect=len(links.removed))
    touched = {*links.added, *(parent.id for parent, _ in links.parents)}
    # The parent that an open sub-task leaves is touched when that is settled.
    if card.status not in rules.CLOSED and links.parent_id != card.parent_id:
        touched.discard(card.parent_id)
    for one in sorted(touched):
        tx.put(queries.TOUCH, {"id": one, "steps": 0})


async def announce(  # noqa: PLR0913
    tx: Transaction, principal: Principal, card: Card, after: Card, scene: Scene, links: Links, *, event_id: UUID
) -> None:
    """Wake the task when an edit took away the last that it waited for, and the parent whose last open sub-task left."""
    left = [one for one in links.parents if one[0].id == card.parent_id]
    if card.status not in rules.CLOSED:
        await graph.settle(tx, principal, Turned(turn=Turn.LEFT, cards=[card], scene=scene), left)
    waits, waited = (sum(not one.is_done for one in those) for those in (links.dependencies, scene.dependencies))
    if rules.freed(card.status, before=waited, after=waits):
        seen = msgspec.structs.replace(scene, dependencies=links.dependencies)
        depth = depth_of(scene, principal)
        await tx.tell(
            TaskReady(event_id=event_id, card=after, scene=seen, actor=principal, depth=depth, tie=Tie.DEPENDENCY, is_freed=True)
        )


async def _ends(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, End]:
    """Lock the other ends of new edges; a foreign id is an absent one."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = await tx.fresh_rows(queries.ENDS, tx.account_id, wanted)
    found = {row["id"]: msgspec.convert({name: row[name] for name in End.__struct_fields__}, End) for row in rows}
    for one in wanted:
        if one not in found:
            raise Missing.thing("task", one)
    return found


def _linked(end: End) -> Linked:
    return Linked(id=end.id, title=end.title, status=end.status, is_done=end.is_done)


def _refuse_problems(card: Card, ends: dict[UUID, End], *, added: Iterable[UUID], parent_id: UUID | None) -> None:
    for one in added:
        if problem := rules.dependable(card.status, ends[one]):
            raise _refused(problem, card, ends[one])
    if parent_id is not None and (problem := rules.adoptable(card.status, ends[parent_id])):
        raise _refused(problem, card, ends[parent_id])


def _refused(problem: LinkProblem, card: Card, end: End) -> CallboardError:
    stays = {"from": card.status, "to": card.status, "allowed": ()}
    match problem:
        case LinkProblem.NEVER_DONE:
            words = "a task that was archived before it was done is never done: restore it first"
            return DependencyArchived(words, dependencies=graph.shown([end]))
        case LinkProblem.CLOSED:
            return InvalidTransition(f"a {card.status} task waits for nothing new", **stays)
        case LinkProblem.PARENT_CLOSED:
            return InvalidTransition(f"a {end.status} task takes no open sub-task", **stays, parent=graph.shown([end])[0])
        case LinkProblem.DEPENDENTS:
            words = f"{rules.DEPENDENTS_MOST} tasks depend on this one already"
            return RequirementFailed(words, requirement="dependents", dependencies=graph.shown([end]))
        case LinkProblem.CHILDREN:
            words = f"a task has at most {rules.CHILDREN_MOST} sub-tasks"
            return RequirementFailed(words, requirement="children", parent=graph.shown([end])[0])


def _refuse_stranger(principal: Principal, parent: Card, scene: Scene) -> None:
    """Its sub-tasks keep a task open, so whoever gives or takes one may edit it."""
    policies.require(Action.TASK_UPDATE, principal=principal, account=scene.account, crew=scene.crew, status=parent.status)


async def _refuse_cycle(tx: Transaction, card: Card, *, depends_on: Sequence[UUID], parent_id: UUID | None) -> None:
    rows = await tx.rows(queries.EDGES, tx.account_id, card.id, list(depends_on), parent_id, rules.EDGES_MOST + 1)
    if len(rows) > rules.EDGES_MOST:
        words = f"more than {rules.EDGES_MOST} edges hang on this task; cut the graph into smaller parts"
        raise RequirementFailed(words, requirement="graph_size")
    way = rules.cycle(((row["source"], row["target"]) for row in rows), card.id)
    if way:
        titles = {row["id"]: row["title"] for row in await tx.rows(queries.TITLES, tx.account_id, list(way))}
        path = [{"id": one, "title": titles.get(one, card.title)} for one in way]
        raise DependencyCycle("then the task would wait for itself", path=path)
