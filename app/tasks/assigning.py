"""Making cards and putting agents and people on them."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import RequirementFailed
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import service as policies
from app.policies.types import Action, AgentFacts
from app.tasks import (
    duplicates,
    evidence,
    handoffs,
    hints,
    holding,
    linking,
    queries,
    reserving,
    reserving_edits,
    rules,
    scenes,
    searching,
)
from app.tasks.changes import depth_of, ended_lease, expect, held_by, lease_of, moved_card, refused, write_move
from app.tasks.schemas import Assignment, NewTask, TaskView
from app.tasks.types import (
    Birth,
    Card,
    Closed,
    HandoffKind,
    Lease,
    LeaseKind,
    Member,
    PersonFacts,
    Scene,
    TaskAssigned,
    TaskCreated,
    TaskStatus,
)


class _AssigneeRow(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    task_id: UUID
    agent_id: UUID | None
    person_id: UUID | None
    assigned_by_kind: ActorKind
    assigned_by_id: UUID
    has_started: bool


class _SubscriberRow(msgspec.Struct, frozen=True, kw_only=True):
    task_id: UUID
    principal_id: UUID
    principal_kind: ActorKind


async def create(tx: Transaction, principal: Principal, asked: NewTask, *, because: str | None = None) -> TaskView:
    """Put a card on the board; `because` says why it is none of those that look like it.

    The orchestrator hears of a card that nobody is on.
    """
    slugs = [scenes.slug(slug) for slug in asked.assignee_slugs]
    emails = [email.strip().lower() for email in asked.assignee_emails]
    title = duplicates.guarded(principal, asked.title, because=because)
    scene = await scenes.stage(tx, principal, names=[*slugs, *emails], title=title, closeness=duplicates.CLOSE)
    agents, people = scenes.named(scene, slugs=slugs, emails=emails)
    rule = policies.require(
        Action.TASK_CREATE, principal=principal, account=scene.account, crew=scene.crew, assignees=[one.id for one in agents]
    )
    born, agents = _birth(principal, scene, asked, agents, people)
    duplicates.refuse(scene)
    card = await reserving_edits.placed(tx, _card(principal, scene, asked, born.status), asked.repository)
    scene = await linking.at_birth(tx, principal, card, scene, asked.depends_on)
    lease = _begun(tx, principal, card, scene)
    scene = await reserving_edits.at_birth(tx, card, scene, asked.reserve, lease=lease)
    card = held_by(card, lease)
    _write_card(tx, card)
    searching.keep(tx, card)
    evidence.write(tx, card.id, asked.acceptance_criteria)
    _write_assignees(tx, card.id, principal, agents=agents, people=people, has_started=born.status is TaskStatus.IN_PROGRESS)
    _subscribe_founders(tx, card, principal, scene, agents, people)
    payload = {"title": card.title, "status": card.status, "rule": rule, "assignees": [one.id for one in members(agents, people)]}
    tied = (
        linking.named(card, asked.depends_on)
        | reserving.named(card, scene)
        | ({"not_duplicate_because": because} if because else {})
    )
    event_id = events.record(tx, "board:task:created", entity=("task", card.id), actor=principal, payload=payload | tied)
    seen = _with_assignees(scene, agents, people)
    assigned = frozenset(one.id for one in members(agents, people))
    happened = TaskCreated(
        event_id=event_id, card=card, scene=seen, actor=principal, depth=depth_of(scene, principal), assigned=assigned
    )
    await tx.tell(happened)
    mine = hints.having(seen, principal.id, follows=True)
    return hints.shown(principal, card, evidence.rewritten(mine, asked.acceptance_criteria), lease=lease)


def _begun(tx: Transaction, principal: Principal, card: Card, scene: Scene) -> Lease | None:
    """An agent that makes a task to work on it holds it from the start."""
    if card.status is not TaskStatus.IN_PROGRESS or principal.kind is not ActorKind.AGENT:
        return None
    holding.require_capacity(principal, scene, card=card)
    return holding.granted(tx, principal, card, scene, kind=LeaseKind.WORK)


def joined(tx: Transaction, principal: Principal, card: Card, scene: Scene) -> Scene:
    """The agent takes a task out of the open pool: it becomes an assignee that has started."""
    mine = [one for one in scene.crew if one.id == principal.id]
    _write_assignees(tx, card.id, principal, agents=mine, people=(), has_started=True)
    subscribe(tx, card.id, [(principal.kind, principal.id)])
    return _with_assignees(scene, mine, ())


def _birth(
    principal: Principal, scene: Scene, asked: NewTask, agents: list[AgentFacts], people: list[PersonFacts]
) -> tuple[Birth, list[AgentFacts]]:
    leads = principal.kind is ActorKind.AGENT and principal.id == scene.account.orchestrator_agent_id
    outcome = rules.birth(
        wanted=TaskStatus(asked.status) if asked.status else None,
        creator_is_agent=principal.kind is ActorKind.AGENT,
        creator_is_orchestrator=leads,
        creator_named=any(one.id == principal.id for one in members(agents, people)),
        assignees=len(agents) + len(people),
        blocked_reason=asked.blocked_reason,
    )
    if not isinstance(outcome, Birth):
        raise refused(outcome)
    mine = scene.agent(principal.id)
    joined = [*agents, mine] if outcome.assign_creator and mine else agents
    return outcome, [one for one in joined if not (outcome.drop_creator and one.id == principal.id)]


def _card(principal: Principal, scene: Scene, asked: NewTask, status: TaskStatus) -> Card:
    return Card(
        id=new_id(),
        title=asked.title,
        description=asked.description,
        status=status,
        priority=asked.priority,
        labels=tuple(dict.fromkeys(asked.labels)),
        due_at=asked.due_at,
        blocked_reason=asked.blocked_reason if status is TaskStatus.BLOCKED else None,
        version=1,
        is_coordination=False,
        parent_id=asked.parent_id,
        lease_agent_id=None,
        lease_kind=None,
        lease_fence=0,
        lease_until=None,
        created_by_kind=principal.kind,
        created_by_id=principal.id,
        created_at=scene.now,
        updated_at=scene.now,
        last_message_at=None,
        completed_at=None,
        archived_at=None,
    )


def _write_card(tx: Transaction, card: Card) -> None:
    tx.write(
        queries.INSERT_TASK,
        tx.account_id,
        card.id,
        card.title,
        card.description,
        card.status,
        card.priority,
        list(card.labels),
        card.due_at,
        card.blocked_reason,
        card.created_by_kind,
        card.created_by_id,
        card.created_at,
        card.parent_id,
        card.lease_agent_id,
        card.lease_kind,
        card.lease_fence,
        card.lease_until,
        card.repository_id,
        expect=1,
    )


async def assign(tx: Transaction, principal: Principal, task_id: UUID, asked: Assignment) -> TaskView:
    """Add assignees, or make them the only ones; the first brings the card from the inbox to `assigned`."""
    slugs = [scenes.slug(slug) for slug in asked.assignee_slugs]
    emails = [email.strip().lower() for email in asked.assignee_emails]
    card, scene = await scenes.load(tx, principal, task_id, names=[*slugs, *emails])
    rule = policies.require(Action.TASK_ASSIGN, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    expect(card, version=asked.expected_version)
    agents, people = scenes.named(scene, slugs=slugs, emails=emails)
    _refuse_nobody(asked, agents, people, principal)
    present = {one.id for one in scene.assigned}
    wanted = {one.id for one in members(agents, people)} | (set() if asked.replace else present)
    return await _reassigned(tx, principal, card, scene, asked, wanted=frozenset(wanted), rule=rule)


def _refuse_nobody(asked: Assignment, agents: list[AgentFacts], people: list[PersonFacts], principal: Principal) -> None:
    if principal.kind is ActorKind.AGENT and any(one.id == principal.id for one in agents):
        raise RequirementFailed("the orchestrator hands work out and does not take it", requirement="another_assignee")
    if not (agents or people or asked.replace):
        raise RequirementFailed("name at least one assignee, or replace them all", requirement="assignee")


async def _reassigned(  # noqa: PLR0913
    tx: Transaction, principal: Principal, card: Card, scene: Scene, asked: Assignment, *, wanted: frozenset[UUID], rule: str
) -> TaskView:
    present = {one.id for one in scene.assigned}
    added, removed = wanted - present, present - wanted
    agents = [one for one in scene.crew if one.id in wanted]
    people = [one for one in scene.people if one.id in wanted]
    starter = card.lease_agent_id in removed or (
        card.lease_agent_id is None and any(one.id in removed and one.has_acted for one in scene.crew)
    )
    goal = rules.after_assignment(status=card.status, before=len(present), after=len(wanted), starter_removed=starter)
    if isinstance(goal, Closed):
        raise refused(goal)
    if not added and not removed:
        return hints.shown(principal, card, scene)
    lease = lease_of(card)
    kept = lease if lease is not None and lease.agent_id not in removed else None
    after = moved_card(card, goal=goal, now=scene.now, blocked_reason=card.blocked_reason, lease=kept)
    write_move(tx, after)
    if kept is None:
        handoffs.keep_notes(tx, principal, card)
    handoffs.leave(tx, principal, card.id, HandoffKind.REASSIGN, given=asked.handoff, words=asked.reason)
    _write_assignees(
        tx,
        card.id,
        principal,
        agents=[one for one in agents if one.id in added],
        people=[one for one in people if one.id in added],
    )
    if removed:
        tx.write(queries.REMOVE_ASSIGNEES, tx.account_id, card.id, list(removed), expect=len(removed))
    subscribe(tx, card.id, [(kind_of(one), one.id) for one in scene.everyone if one.id in added])
    payload: dict[str, object] = {
        "added": sorted(added),
        "removed": sorted(removed),
        "from": card.status,
        "to": goal,
        "rule": rule,
    }
    payload |= {"reason": asked.reason} if asked.reason else {}
    if lease is not None and kept is None:
        payload["lease_ended"] = ended_lease(card)
    event_id = events.record(
        tx, "board:task:assigned", entity=("task", card.id), sequence=after.version, actor=principal, payload=payload
    )
    seen = _with_assignees(scene, agents, people)
    happened = TaskAssigned(
        event_id=event_id,
        card=after,
        scene=seen,
        actor=principal,
        depth=depth_of(scene, principal),
        added=frozenset(added),
        removed=frozenset(removed),
        start=card.status,
        reason=asked.reason,
    )
    await tx.tell(happened)
    return hints.shown(principal, after, seen)


def _write_assignees(
    tx: Transaction,
    task_id: UUID,
    principal: Principal,
    *,
    agents: Iterable[AgentFacts],
    people: Iterable[PersonFacts],
    has_started: bool = False,
) -> None:
    for one in members(agents, people):
        is_agent = isinstance(one, AgentFacts)
        row = _AssigneeRow(
            id=new_id(),
            task_id=task_id,
            agent_id=one.id if is_agent else None,
            person_id=None if is_agent else one.id,
            assigned_by_kind=principal.kind,
            assigned_by_id=principal.id,
            has_started=has_started and one.id == principal.id,
        )
        tx.put(queries.INSERT_ASSIGNEES, row)


def _subscribe_founders(
    tx: Transaction, card: Card, principal: Principal, scene: Scene, agents: list[AgentFacts], people: list[PersonFacts]
) -> None:
    founders = [(principal.kind, principal.id), *((kind_of(one), one.id) for one in members(agents, people))]
    orchestrator = scene.agent(scene.account.orchestrator_agent_id)
    if orchestrator is not None:
        founders.append((ActorKind.AGENT, orchestrator.id))
    subscribe(tx, card.id, founders)


def subscribe(tx: Transaction, task_id: UUID, those: Iterable[tuple[ActorKind, UUID]]) -> None:
    """Let them hear what is said on the task from now on."""
    for kind, principal_id in dict.fromkeys(those):
        tx.put(queries.SUBSCRIBE, _SubscriberRow(task_id=task_id, principal_id=principal_id, principal_kind=kind))


def members(agents: Iterable[AgentFacts], people: Iterable[PersonFacts]) -> tuple[Member, ...]:
    return (*agents, *people)


def kind_of(one: Member) -> ActorKind:
    return ActorKind.AGENT if isinstance(one, AgentFacts) else ActorKind.PERSON


def _with_assignees(scene: Scene, agents: Iterable[AgentFacts], people: Iterable[PersonFacts]) -> Scene:
    ids = {one.id for one in members(agents, people)}
    return msgspec.structs.replace(
        scene,
        crew=tuple(msgspec.structs.replace(one, is_assigned=one.id in ids) for one in scene.crew),
        people=tuple(msgspec.structs.replace(one, is_assigned=one.id in ids) for one in scene.people),
    )
