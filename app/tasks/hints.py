"""The answer of every verb about a task: the card, the caller's new lease, and what the caller may do next."""

from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.tasks import scenes
from app.tasks.rules import hints as rules
from app.tasks.schemas import LeaseView, NextAction, TaskView
from app.tasks.types import Card, Lease, Scene


def shown(principal: Principal, card: Card, scene: Scene, *, lease: Lease | None = None) -> TaskView:
    """The card as it is after the change; agents are also told what they may do with it, people have pages for that."""
    view = scenes.view_of(card, scene.assigned_agents, scene.assigned_people)
    view.reservations = scenes.reserved(card, scene.reservations, now=scene.now)
    if lease is not None:
        view.lease = lease_view(card.id, lease)
    if principal.kind is ActorKind.AGENT:
        view.next_actions = next_actions(principal, card, scene)
    return view


def lease_view(task_id: UUID, lease: Lease) -> LeaseView:
    return LeaseView(task_id=task_id, kind=lease.kind, fence=lease.fence, until=lease.until)


def next_actions(principal: Principal, card: Card, scene: Scene) -> list[NextAction]:
    me = scene.agent(principal.id)
    if me is None:
        return []
    found = rules.hints(rules.case(me, card, scene, held=frozenset(scene.held)))
    return [NextAction(verb=one.verb, arguments=one.arguments, needs=list(one.needs)) for one in found]


async def read(tx: Transaction, principal: Principal, task_id: UUID) -> TaskView:
    """The card as it is now, with what the caller may do with it."""
    return shown(principal, *await scenes.look(tx, principal, task_id))


def having(scene: Scene, agent_id: UUID, *, acted: bool = False, follows: bool = False) -> Scene:
    """The scene after the agent came to work on the task, or to follow it."""
    crew = tuple(
        msgspec.structs.replace(one, has_acted=one.has_acted or acted, is_subscribed=one.is_subscribed or follows)
        if one.id == agent_id
        else one
        for one in scene.crew
    )
    return msgspec.structs.replace(scene, crew=crew)
