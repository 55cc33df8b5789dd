"""Who is told of what happened, and what becomes of two updates that are told as one."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from app.kernel.types import ActorKind, Role
from app.messages.types import MessagePosted, ResponseRequested
from app.notifications.types import NotificationType, Weight
from app.policies.closing import closers
from app.policies.types import AgentFacts
from app.tasks.rules.graph import has_started
from app.tasks.types import (
    PersonFacts,
    QuarantineLifted,
    Scene,
    TaskAssigned,
    TaskCreated,
    TaskDelayed,
    TaskMoved,
    TaskQuarantined,
    TaskReady,
    TaskStatus,
    TaskStopped,
)

Recipient = tuple[ActorKind, UUID]
Told = dict[Recipient, NotificationType]
_REPLY, _AGENT, _PERSON = range(3)


def of_creation(happened: TaskCreated) -> Told:
    """New assignees, and the orchestrator when the card waits for somebody to hand it out."""
    told = _all(happened.assigned, happened.scene, NotificationType.ASSIGNMENT)
    leader = happened.scene.agent(happened.scene.account.orchestrator_agent_id)
    if happened.card.status is TaskStatus.INBOX and leader is not None and leader.is_active:
        told.setdefault((ActorKind.AGENT, leader.id), NotificationType.STATUS_CHANGE)
    return _without(told, happened.actor.id)


def of_assignment(happened: TaskAssigned) -> Told:
    """The new assignees; the orchestrator when a card lost its last one."""
    told = _all(happened.added, happened.scene, NotificationType.ASSIGNMENT)
    leader = happened.scene.agent(happened.scene.account.orchestrator_agent_id)
    if happened.card.status is TaskStatus.INBOX and leader is not None and leader.is_active:
        told[(ActorKind.AGENT, leader.id)] = NotificationType.STATUS_CHANGE
    return _without(told, happened.actor.id)


def of_move(happened: TaskMoved) -> Told:
    """Into review: those who may close. Otherwise the assignees; people also hear of the end of what they asked for."""
    scene = happened.scene
    told = _caring(happened)
    if happened.card.status is TaskStatus.REVIEW:
        told |= {(ActorKind.AGENT, one): NotificationType.STATUS_CHANGE for one in happened.closers}
    elif happened.card.status is not TaskStatus.ARCHIVED:
        told |= {(ActorKind.AGENT, one.id): NotificationType.STATUS_CHANGE for one in scene.assigned_agents}
    return _without(told, happened.actor.id)


def of_stop(happened: TaskStopped) -> Told:
    """The people that care for it; agents are not woken to hear that there is nothing to do."""
    if happened.start is happened.card.status:
        return {}
    return _without(_caring(happened), happened.actor.id)


def of_ready(happened: TaskReady) -> Told:
    """Its assignees, or the orchestrator when there are none; in review those who may close it now.

    Whoever finished the last thing may be the one who goes on, and an agent acts on what it is told: it hears too.
    """
    scene, actor = happened.scene, happened.actor
    told = _all(frozenset(one.id for one in scene.assigned), scene, NotificationType.READY)
    leader = scene.agent(scene.account.orchestrator_agent_id)
    if happened.card.status is TaskStatus.REVIEW:
        told = {who: kind for who, kind in told.items() if who[0] is ActorKind.PERSON}
        those = closers(scene.crew, scene.account).ids
        told |= {(ActorKind.AGENT, one): NotificationType.STATUS_CHANGE for one in those}
    elif not told and leader is not None and leader.is_active:
        told[(ActorKind.AGENT, leader.id)] = NotificationType.READY
    return _without(told, actor.id) if happened.is_freed or actor.kind is ActorKind.PERSON else told


def of_delayed(happened: TaskDelayed) -> Told:
    """Stranded: who can untie it, the orchestrator and the people that care. Otherwise those who have started it."""
    scene = happened.scene
    people = frozenset(one.id for one in scene.assigned_people)
    if not happened.is_stranded:
        agents = frozenset(one.id for one in scene.assigned_agents)
        those = people | agents if has_started(happened.card.status) else frozenset()
        return _without(_all(those, scene, NotificationType.STATUS_CHANGE), happened.actor.id)
    leader = scene.account.orchestrator_agent_id
    told = _all(people | ({leader} if leader else set()), scene, NotificationType.STATUS_CHANGE)
    creator = happened.card.created_by_id
    if creator is not None and happened.card.created_by_kind is ActorKind.PERSON:
        told[(ActorKind.PERSON, creator)] = NotificationType.STATUS_CHANGE
    return _without(told, happened.actor.id)


def of_quarantine(happened: TaskQuarantined, roles: Mapping[UUID, Role]) -> Told:
    """The people on the task and the one who made it, of those who may lift it; where there is none, who runs the account."""
    lifters = {one for one, role in roles.items() if role is not Role.VIEWER}
    those = {one.id for one in happened.scene.assigned_people} | {happened.card.created_by_id}
    found = lifters & those or {one for one, role in roles.items() if role in (Role.ADMIN, Role.OWNER)}
    return {(ActorKind.PERSON, one): NotificationType.QUARANTINE for one in sorted(found)}


def of_lift(happened: QuarantineLifted) -> Told:
    """Whoever is next: in review those who may close it, otherwise its assignees, or the orchestrator when there are none."""
    scene = happened.scene
    if happened.card.status is TaskStatus.REVIEW:
        those = closers(scene.crew, scene.account).ids
        return _without({(ActorKind.AGENT, one): NotificationType.STATUS_CHANGE for one in those}, happened.actor.id)
    told = _all(frozenset(one.id for one in scene.assigned), scene, NotificationType.READY)
    leader = scene.agent(scene.account.orchestrator_agent_id)
    if not told and leader is not None and leader.is_active:
        told[(ActorKind.AGENT, leader.id)] = NotificationType.READY
    return _without(told, happened.actor.id)


def of_message(happened: MessagePosted) -> Told:
    """Those who were called by name, and everyone who follows the thread or works on the task."""
    scene = happened.scene
    followers = frozenset(one.id for one in scene.everyone if one.is_subscribed or one.is_assigned)
    told = _all(followers, scene, NotificationType.THREAD_UPDATE)
    told |= _all(happened.mentioned, scene, NotificationType.MENTION)
    if happened.is_order:
        told = {who: kind for who, kind in told.items() if who[0] is ActorKind.PERSON}
    return _without(told, happened.actor.id)


def of_request(happened: ResponseRequested) -> Told:
    return dict.fromkeys([(ActorKind.AGENT, agent_id) for agent_id in happened.asked], NotificationType.RESPONSE_REQUEST)


def _caring(happened: TaskMoved | TaskStopped) -> Told:
    """The people on the task, and the one who asked for it."""
    told: Told = {(ActorKind.PERSON, one.id): NotificationType.STATUS_CHANGE for one in happened.scene.assigned_people}
    creator = happened.card.created_by_id
    if creator is not None and happened.card.created_by_kind is ActorKind.PERSON:
        told[(ActorKind.PERSON, creator)] = NotificationType.STATUS_CHANGE
    return told


def merged(earlier: Weight, later: Weight) -> Weight:
    """How two updates that wait as one are judged: what would have woken the agent by itself still does."""
    heavier = earlier if _heaviness(earlier) > _heaviness(later) else later
    caused_by = heavier.caused_by_type
    if _heaviness(heavier) == _REPLY and earlier.actor_id != later.actor_id:
        # One of two authors may be the one whose replies count, which the other's must not hide.
        caused_by = None
    return msgspec.structs.replace(heavier, caused_by_type=caused_by, depth=min(earlier.depth, later.depth))


def _heaviness(weight: Weight) -> int:
    if weight.actor_kind is ActorKind.PERSON:
        return _PERSON
    return _REPLY if weight.caused_by_type == NotificationType.THREAD_UPDATE else _AGENT


def _all(ids: frozenset[UUID], scene: Scene, kind: NotificationType) -> Told:
    agents: tuple[AgentFacts, ...] = tuple(one for one in scene.crew if one.is_active)
    people: tuple[PersonFacts, ...] = scene.people
    found = [(ActorKind.AGENT, one.id) for one in agents if one.id in ids]
    return dict.fromkeys([*found, *((ActorKind.PERSON, one.id) for one in people if one.id in ids)], kind)


def _without(told: Told, author: UUID) -> Told:
    return {recipient: kind for recipient, kind in told.items() if recipient[1] != author}
