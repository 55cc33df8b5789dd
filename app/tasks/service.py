"""Moving cards: load the facts under the lock, ask the rules, write, record what happened."""

from uuid import UUID

import msgspec

from app.agents import sessions
from app.agents.types import ClosedReason
from app.events import service as events
from app.kernel.errors import RequirementFailed
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import (
    evidence,
    families,
    graph,
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
from app.tasks.changes import Change, accepted, expect, moved
from app.tasks.closes import closes_counted
from app.tasks.schemas import Reopening, StatusChange, TaskEdit, TaskView
from app.tasks.types import Card, HandoffKind, Lease, LeaseKind, Move, Scene, TaskStatus

HANDED_OVER = {TaskStatus.REVIEW: HandoffKind.REVIEW, TaskStatus.BLOCKED: HandoffKind.BLOCK}


async def move(tx: Transaction, principal: Principal, task_id: UUID, change: StatusChange) -> TaskView:
    """Move a card along the table; authority is asked before the table."""
    with closes_counted(change.status):
        return await _move(tx, principal, task_id, change)


async def _move(tx: Transaction, principal: Principal, task_id: UUID, change: StatusChange) -> TaskView:
    goal = change.status
    family = await families.gathered(tx, principal, task_id, change)
    card, scene = await scenes.load(tx, principal, task_id, whole_crew=goal in (TaskStatus.REVIEW, TaskStatus.DONE))
    action = {TaskStatus.DONE: Action.TASK_CLOSE, TaskStatus.ARCHIVED: Action.TASK_ARCHIVE}.get(goal, Action.TASK_MOVE)
    rule = _allowed(action, principal, card, scene, goal=goal)
    expect(card, status=change.expected_status, version=change.expected_version)
    holding.hold(principal, card, scene, rule=rule, fence=change.fence)
    outcome = rules.move(start=card.status, goal=goal, assignees=scene.assignees, blocked_reason=change.blocked_reason)
    settled = accepted(outcome)
    if goal is TaskStatus.DONE:
        graph.require_closable(scene)
        evidence.require(scene)
    why = change.reason or change.blocked_reason
    _reasoned(principal, settled, why)
    if settled.goal is TaskStatus.ARCHIVED:
        sessions.close_on_task(tx, card.id, scene.crew, ClosedReason.TASK_ARCHIVED)
        family = await families.parted(tx, principal, (card, scene), family, change=change, rule=rule)
    if settled.goal is TaskStatus.IN_PROGRESS and settled.start is not TaskStatus.REVIEW:
        graph.require_startable(scene)
    marks = _hand_over(tx, principal, card, scene, settled, change=change)
    lease, scene = await _implied(tx, principal, card, scene, settled, rule=rule)
    marks |= {} if lease is None else reserving.payload(scene)
    decided = Change(goal=goal, rule=rule, blocked_reason=change.blocked_reason, reason=why, lease=lease, marks=marks)
    seen = evidence.cleared(scene) if "verdicts_cleared" in marks else scene
    view = await moved(tx, principal, card, seen, decided)
    await graph.follow(tx, principal, card, scene, goal=goal, family=family)
    return view


async def _implied(
    tx: Transaction, principal: Principal, card: Card, scene: Scene, settled: Move, *, rule: str
) -> tuple[Lease | None, Scene]:
    """An assignee that starts a task claims it, and the files with it."""
    if settled.goal is not TaskStatus.IN_PROGRESS or principal.kind is not ActorKind.AGENT or rule != "assignee":
        return None, scene
    holding.require_capacity(principal, scene, card=card)
    secured = await reserving.secured(tx, card, scene)
    reserving.require_free(secured)
    lease = holding.granted(tx, principal, card, secured, kind=LeaseKind.WORK)
    return lease, reserving.given(tx, card, secured, lease)


def _hand_over(
    tx: Transaction, principal: Principal, card: Card, scene: Scene, settled: Move, *, change: StatusChange
) -> dict[str, object]:
    """Whoever takes the task next gets what this one knew; rework starts without verdicts, which the event says."""
    fence = card.lease_fence if card.lease_agent_id == principal.id else None
    given, why = change.handoff, change.reason or change.blocked_reason
    if settled.start is TaskStatus.REVIEW and settled.goal is TaskStatus.IN_PROGRESS:
        unmet = evidence.unmet(scene)
        handoffs.leave(tx, principal, card.id, HandoffKind.REWORK, given=given, words=why, fence=fence, unmet=unmet)
        return evidence.forget(tx, card, scene)
    kind = HANDED_OVER.get(settled.goal)
    if kind is not None:
        handoffs.leave(tx, principal, card.id, kind, given=given, words=why, fence=fence)
    return {}


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
    sessions.close_on_task(tx, card.id, scene.crew, ClosedReason.TASK_REOPENED)
    change = Change(goal=settled.goal, reason=asked.reason, rule=rule, marks={"reopened": True})
    view = await moved(tx, principal, card, _without_sessions(scene), change)
    await graph.follow(tx, principal, card, scene, goal=settled.goal)
    return view


async def restore(tx: Transaction, principal: Principal, task_id: UUID, asked: Reopening) -> TaskView:
    """Take a card out of the archive."""
    card, scene = await scenes.load(tx, principal, task_id)
    rule = _allowed(Action.TASK_RESTORE, principal, card, scene)
    expect(card, version=asked.expected_version)
    settled = accepted(rules.restore(card.status, assignees=scene.assignees))
    # Somebody may have been called to it while it was archived.
    sessions.close_on_task(tx, card.id, scene.crew, ClosedReason.TASK_RESTORED)
    change = Change(goal=settled.goal, reason=asked.reason, rule=rule, marks={"restored": True})
    view = await moved(tx, principal, card, _without_sessions(scene), change)
    await graph.follow(tx, principal, card, scene, goal=settled.goal)
    return view


async def edit(tx: Transaction, principal: Principal, task_id: UUID, change: TaskEdit) -> TaskView:
    """Change what is written on a card."""
    await linking.serialise(tx, change.depends_on, change.parent_id)
    card, scene = await scenes.load(tx, principal, task_id)
    rule = _allowed(Action.TASK_UPDATE, principal, card, scene)
    expect(card, version=change.expected_version)
    holding.hold(principal, card, scene, rule=rule, fence=change.fence)
    wanted = {
        field: getattr(change, field)
        for field in ("title", "description", "priority", "labels", "due_at")
        if getattr(change, field) is not msgspec.UNSET
    }
    fields = sorted(field for field, value in wanted.items() if _plain(value) != _plain(getattr(card, field)))
    criteria = None
    if change.acceptance_criteria is not msgspec.UNSET:
        criteria = await evidence.replace(tx, principal, card, scene, change.acceptance_criteria)
    links = await linking.relinked(tx, principal, card, scene, change)
    placed, seen, files = await reserving_edits.edited(tx, principal, card, scene, change)
    said: dict[str, object] = links.payload(card) | files
    if not fields and criteria is None and not said:
        return hints.shown(principal, card, scene)
    after = msgspec.structs.replace(placed, **wanted, parent_id=links.parent_id, version=card.version + 1, updated_at=scene.now)
    _write_edit(tx, after, fields)
    if {"title", "description"} & set(fields):
        searching.keep(tx, after)
    if criteria is not None:
        said |= {"criteria": criteria}
    payload = {"fields": sorted([*fields, *("acceptance_criteria" if name == "criteria" else name for name in said)]), **said}
    event_id = events.record(
        tx, "board:task:updated", entity=("task", card.id), sequence=after.version, actor=principal, payload=payload
    )
    await linking.announce(tx, principal, card, after, scene, links, event_id=event_id)
    seen = msgspec.structs.replace(evidence.rewritten(seen, change.acceptance_criteria), dependencies=links.dependencies)
    return hints.shown(principal, after, seen)


def _write_edit(tx: Transaction, after: Card, fields: list[str]) -> None:
    tx.write(
        queries.EDIT_TASK,
        tx.account_id,
        after.id,
        after.title if "title" in fields else None,
        after.description if "description" in fields else None,
        after.priority,
        list(after.labels),
        after.due_at,
        after.updated_at,
        after.parent_id,
        after.repository_id,
        expect=1,
    )


def _plain(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else value


def _without_sessions(scene: Scene) -> Scene:
    crew = tuple(msgspec.structs.replace(agent, session_id=None) for agent in scene.crew)
    return msgspec.structs.replace(scene, crew=crew)


def _allowed(action: Action, principal: Principal, card: Card, scene: Scene, *, goal: TaskStatus | None = None) -> str:
    return policies.require(action, principal=principal, account=scene.account, crew=scene.crew, status=card.status, goal=goal)
