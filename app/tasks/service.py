"""Moving cards: load the facts under the lock, ask the rules, write, record what happened."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.agents.types import ClosedReason
from app.events import service as events
from app.kernel.errors import CallboardError, InvalidTransition, RequirementFailed, VersionConflict
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import service as policies
from app.policies.closing import closers
from app.policies.types import Action
from app.tasks import queries, rules, scenes
from app.tasks.schemas import Reopening, StatusChange, TaskEdit, TaskView
from app.tasks.types import Card, Closed, Illegal, Missing, Move, Scene, TaskMoved, TaskStatus

STARTS = frozenset({TaskStatus.IN_PROGRESS, TaskStatus.REVIEW})


async def move(tx: Transaction, principal: Principal, task_id: UUID, change: StatusChange) -> TaskView:
    """Move a card along the table; authority is asked before the table."""
    goal = change.status
    card, scene = await scenes.load(tx, principal, task_id, whole_crew=goal in (TaskStatus.REVIEW, TaskStatus.DONE))
    action = {TaskStatus.DONE: Action.TASK_CLOSE, TaskStatus.ARCHIVED: Action.TASK_ARCHIVE}.get(goal, Action.TASK_MOVE)
    rule = _allowed(action, principal, card, scene, goal=goal)
    expect(card, status=change.expected_status, version=change.expected_version)
    outcome = rules.move(start=card.status, goal=goal, assignees=scene.assignees, blocked_reason=change.blocked_reason)
    settled = accepted(outcome)
    why = change.reason or change.blocked_reason
    _reasoned(principal, settled, why)
    if settled.goal is TaskStatus.ARCHIVED:
        tx.write(queries.CLOSE_SESSIONS, tx.account_id, card.id, ClosedReason.TASK_ARCHIVED)
    return await _moved(tx, principal, card, scene, goal=goal, blocked_reason=change.blocked_reason, reason=why, rule=rule)


def _reasoned(principal: Principal, settled: Move, why: str | None) -> None:
    """An agent that sends work back says why; a person may say it in the thread."""
    if (
        principal.kind is ActorKind.AGENT
        and settled.start is TaskStatus.REVIEW
        and settled.goal is TaskStatus.IN_PROGRESS
        and not why
    ):
        raise RequirementFailed("sending work back needs a `reason` for those who rework it", requirement="reason")


async def reopen(tx: Transaction, principal: Principal, task_id: UUID, asked: Reopening) -> TaskView:
    """Take a done card back to review; its agents go on in new sessions."""
    card, scene = await scenes.load(tx, principal, task_id, whole_crew=True)
    rule = _allowed(Action.TASK_REOPEN, principal, card, scene, goal=TaskStatus.REVIEW)
    expect(card, version=asked.expected_version)
    settled = accepted(rules.reopen(card.status))
    tx.write(queries.CLOSE_SESSIONS, tx.account_id, card.id, ClosedReason.TASK_REOPENED)
    return await _moved(
        tx, principal, card, _without_sessions(scene), goal=settled.goal, reason=asked.reason, rule=rule, extra="reopened"
    )


async def restore(tx: Transaction, principal: Principal, task_id: UUID, asked: Reopening) -> TaskView:
    """Take a card out of the archive."""
    card, scene = await scenes.load(tx, principal, task_id)
    rule = _allowed(Action.TASK_RESTORE, principal, card, scene)
    expect(card, version=asked.expected_version)
    settled = accepted(rules.restore(card.status, assignees=scene.assignees))
    return await _moved(
        tx, principal, card, _without_sessions(scene), goal=settled.goal, reason=asked.reason, rule=rule, extra="restored"
    )


async def edit(tx: Transaction, principal: Principal, task_id: UUID, change: TaskEdit) -> TaskView:
    """Change what is written on a card."""
    card, scene = await scenes.load(tx, principal, task_id)
    _allowed(Action.TASK_UPDATE, principal, card, scene)
    expect(card, version=change.expected_version)
    wanted = {
        field: getattr(change, field)
        for field in ("title", "description", "priority", "labels", "due_at")
        if getattr(change, field) is not msgspec.UNSET
    }
    fields = sorted(field for field, value in wanted.items() if _plain(value) != _plain(getattr(card, field)))
    if not fields:
        return scenes.view_of(card, scene.assigned_agents, scene.assigned_people)
    after = msgspec.structs.replace(card, **wanted, version=card.version + 1, updated_at=scene.now)
    tx.write(
        queries.EDIT_TASK,
        tx.account_id,
        card.id,
        after.title if "title" in fields else None,
        after.description if "description" in fields else None,
        after.priority,
        list(after.labels),
        after.due_at,
        scene.now,
        expect=1,
    )
    events.record(
        tx, "board:task:updated", entity=("task", card.id), sequence=after.version, actor=principal, payload={"fields": fields}
    )
    return scenes.view_of(after, scene.assigned_agents, scene.assigned_people)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else value


async def _moved(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    card: Card,
    scene: Scene,
    *,
    goal: TaskStatus,
    rule: str,
    blocked_reason: str | None = None,
    reason: str | None = None,
    extra: str | None = None,
) -> TaskView:
    after = moved_card(card, goal=goal, now=scene.now, blocked_reason=blocked_reason)
    write_move(tx, after)
    mine = scene.agent(principal.id)
    if goal in STARTS and mine is not None and mine.is_assigned and principal.kind is ActorKind.AGENT:
        tx.write(queries.MARK_ACTED, tx.account_id, card.id, principal.id, expect=1)
    payload: dict[str, object] = {"from": card.status, "to": goal, "rule": rule}
    if reason:
        payload["reason"] = reason
    if extra:
        payload[extra] = True
    if goal is TaskStatus.DONE and principal.kind is ActorKind.PERSON:
        payload["own_task"] = any(person.id == principal.id for person in scene.assigned_people)
    event_id = events.record(
        tx, "board:task:status_changed", entity=("task", card.id), sequence=after.version, actor=principal, payload=payload
    )
    those = frozenset(closers(scene.crew, scene.account).ids) if goal is TaskStatus.REVIEW else frozenset[UUID]()
    happened = TaskMoved(
        event_id=event_id,
        card=after,
        scene=scene,
        actor=principal,
        depth=depth_of(scene, principal),
        start=card.status,
        reason=reason,
        closers=those,
    )
    await tx.tell(happened)
    return scenes.view_of(after, scene.assigned_agents, scene.assigned_people)


def moved_card(card: Card, *, goal: TaskStatus, now: datetime, blocked_reason: str | None = None) -> Card:
    return msgspec.structs.replace(
        card,
        status=goal,
        blocked_reason=blocked_reason if goal is TaskStatus.BLOCKED else None,
        completed_at=now if goal is TaskStatus.DONE else card.completed_at if goal is TaskStatus.ARCHIVED else None,
        archived_at=now if goal is TaskStatus.ARCHIVED else None,
        updated_at=now,
        version=card.version + 1,
    )


def write_move(tx: Transaction, after: Card) -> None:
    arguments = (after.status, after.blocked_reason, after.completed_at, after.archived_at, after.updated_at)
    tx.write(queries.MOVE_TASK, tx.account_id, after.id, *arguments, expect=1)


def depth_of(scene: Scene, principal: Principal) -> int:
    """How many causes lie behind what this actor does: a person starts anew, an agent follows what woke it."""
    if principal.kind is not ActorKind.AGENT or scene.wake is None:
        return 0
    return scene.wake.depth + 1


def _without_sessions(scene: Scene) -> Scene:
    crew = tuple(msgspec.structs.replace(agent, session_id=None) for agent in scene.crew)
    return msgspec.structs.replace(scene, crew=crew)


def _allowed(action: Action, principal: Principal, card: Card, scene: Scene, *, goal: TaskStatus | None = None) -> str:
    return policies.require(action, principal=principal, account=scene.account, crew=scene.crew, status=card.status, goal=goal)


def expect(card: Card, *, status: TaskStatus | None = None, version: int | None = None) -> None:
    if status is not None and card.status is not status:
        raise VersionConflict(f"the task is {card.status}, not {status}", expected_status=status, status=card.status)
    if version is not None and card.version != version:
        raise VersionConflict(
            f"the task has version {card.version}, not {version}", expected_version=version, version=card.version
        )


def accepted(outcome: Move | Illegal | Missing) -> Move:
    """The move itself, or the error that a refusal becomes."""
    if not isinstance(outcome, Move):
        raise refused(outcome)
    return outcome


def refused(outcome: Illegal | Missing | Closed) -> CallboardError:
    match outcome:
        case Illegal():
            words = (
                f"a task does not go from {outcome.start} to {outcome.goal}"
                if outcome.start
                else f"no task is born in {outcome.goal}"
            )
            return InvalidTransition(words, **{"from": outcome.start, "to": outcome.goal, "allowed": outcome.allowed})
        case Missing():
            return RequirementFailed(outcome.detail, requirement=outcome.requirement)
        case Closed():
            status = outcome.status
            return InvalidTransition(f"a {status} task keeps its assignees", **{"from": status, "to": status, "allowed": ()})
