"""Archiving a task that has open sub-tasks: they go with it, or stand alone from then on."""

from collections.abc import Sequence
from uuid import UUID

from app.agents import sessions
from app.agents.types import ClosedReason
from app.events import service as events
from app.kernel.errors import Overloaded, RequirementFailed
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.tasks import graph, scenes
from app.tasks.changes import Change, moved_card, told
from app.tasks.queries import graph as queries
from app.tasks.rules.graph import CLOSED
from app.tasks.schemas import StatusChange
from app.tasks.types import Card, Scene, TaskStatus

MEMBERS_MOST = 200
DEPTH_MOST = 50

Family = Sequence[tuple[Card, Scene]]


async def gathered(tx: Transaction, principal: Principal, task_id: UUID, change: StatusChange) -> Family:
    """Lock the open tasks below one that is to be archived, before it, because finishing them locks in that order."""
    if change.status is not TaskStatus.ARCHIVED or change.children is None:
        return []
    depth = DEPTH_MOST if change.children == "archive" else 1
    rows = await tx.rows(queries.FAMILY, tx.account_id, task_id, depth, MEMBERS_MOST + 1)
    if len(rows) > MEMBERS_MOST:
        raise RequirementFailed(f"more than {MEMBERS_MOST} open tasks are below this one: archive some first", requirement="size")
    return await scenes.several(tx, principal, [row["id"] for row in rows])


async def parted(
    tx: Transaction, principal: Principal, root: tuple[Card, Scene], family: Family, *, change: StatusChange, rule: str
) -> Family:
    """Archive or detach the open sub-tasks of a task that is archived; answers those that were archived with it."""
    card, scene = root
    if not scene.open_children:
        return []
    if change.children is None:
        words = "it has open sub-tasks: say `children: archive` or `children: detach`"
        raise RequirementFailed(words, requirement="children", children=graph.shown(scene.open_children))
    members = _below(card.id, family)
    known = {one.id for one, _ in members}
    is_archived = change.children == "archive"
    seen = [scene, *(around for _, around in members)] if is_archived else [scene]
    if any(child.id not in known for around in seen for child in around.open_children):
        raise Overloaded("a sub-task was added at the same moment; try again")
    if is_archived:
        await _archived(tx, principal, card, members, reason=change.reason, rule=rule)
        return members
    _detached(tx, principal, card, members, rule=rule)
    return []


def _below(root: UUID, family: Family) -> Family:
    """Those that are open and below the root still, now that all are locked."""
    found: set[UUID] = {root}
    while grown := {one.id for one, _ in family if one.parent_id in found and one.status not in CLOSED} - found:
        found |= grown
    return [one for one in family if one[0].id in found]


async def _archived(tx: Transaction, principal: Principal, card: Card, members: Family, *, reason: str | None, rule: str) -> None:
    tx.write(queries.ARCHIVE, tx.account_id, [one.id for one, _ in members], expect=len(members))
    change = Change(goal=TaskStatus.ARCHIVED, rule=rule, reason=reason, marks={"archived_with": card.id})
    for one, scene in members:
        sessions.close_on_task(tx, one.id, scene.crew, ClosedReason.TASK_ARCHIVED)
        await told(tx, principal, one, moved_card(one, goal=TaskStatus.ARCHIVED, now=scene.now), scene, change)


def _detached(tx: Transaction, principal: Principal, card: Card, members: Family, *, rule: str) -> None:
    tx.write(queries.DETACH, tx.account_id, [one.id for one, _ in members], expect=len(members))
    payload = {"fields": ["parent_id"], "parent_id": {"from": card.id, "to": None}, "rule": rule}
    for one, _ in members:
        events.record(
            tx, "board:task:updated", entity=("task", one.id), sequence=one.version + 1, actor=principal, payload=payload
        )
