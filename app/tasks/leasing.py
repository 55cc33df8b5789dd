"""Leases: claiming a task, keeping it, giving it back, and losing it when the time runs out."""

from typing import Any
from uuid import UUID

import msgspec

from app.agents import liveness
from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, the_board
from app.policies import service as policies
from app.policies.types import Action, AgentFacts
from app.tasks import assigning, graph, handoffs, hints, queries, renewing, reserving, reserving_claims, scenes
from app.tasks.changes import Change, depth_of, ended_lease, lease_of, moved, refused, taken_over, unheld, write_move
from app.tasks.holding import granted, watch
from app.tasks.queries import handoffs as notes
from app.tasks.queries import leases as statements
from app.tasks.rules import leases as rules
from app.tasks.schemas import LeaseView
from app.tasks.schemas.leases import AgentClaim, AgentHeartbeat, AgentRelease, ClaimView
from app.tasks.types import (
    Card,
    Claim,
    HandoffKind,
    Kept,
    Lease,
    LeaseChanged,
    LeaseKind,
    LeaseProblem,
    LeaseRefusal,
    Scene,
    TaskStatus,
)


async def claim(tx: Transaction, principal: Principal, asked: AgentClaim) -> ClaimView:
    """Take the named task, or the best that the caller may start; what it holds already it gets again."""
    found = await reserving_claims.found(tx, principal, asked)
    if found is None:
        return await _held_already(tx, principal)
    card, scene = found
    mine = scene.agent(principal.id)
    capacity = mine.capacity if mine else 1
    outcome = rules.claim(card, now=scene.now, caller=principal.id, held=scene.held, capacity=capacity)
    if isinstance(outcome, Kept):
        return _kept(principal, *await reserving_claims.with_more(tx, principal, card, scene, asked))
    rule = policies.require(Action.TASK_CLAIM, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    match outcome:
        case LeaseRefusal() if asked.task_id is None:
            return await _held_already(tx, principal)
        case LeaseRefusal():
            raise unheld(outcome, scene)
        case Claim():
            scene = await reserving_claims.with_files(tx, card, scene, asked, outcome)
            return await _claimed(tx, principal, card, scene, outcome=outcome, rule=rule)
        case _:
            raise refused(outcome)


async def _claimed(tx: Transaction, principal: Principal, card: Card, scene: Scene, *, outcome: Claim, rule: str) -> ClaimView:
    lapsed = lease_of(card)
    if lapsed is not None:
        _end_lapsed(tx, card, scene, lapsed)
    if outcome.starts:
        graph.require_startable(scene)
    lease = granted(tx, principal, card, scene, kind=outcome.kind)
    scene = reserving.given(tx, card, scene, lease)
    if outcome.starts:
        joins = card.status is TaskStatus.INBOX
        if joins:
            scene = assigning.joined(tx, principal, card, scene)
        marks = reserving.payload(scene)
        change = Change(goal=TaskStatus.IN_PROGRESS, rule=rule, lease=lease, has_joined=joins, marks=marks)
        task = await moved(tx, principal, card, scene, change)
    else:
        task = await _taken(tx, principal, card, scene, lease)
    return ClaimView(task=task, lease=hints.lease_view(card.id, lease), is_new=True, handoff=handoffs.latest(scene))


async def _taken(tx: Transaction, principal: Principal, card: Card, scene: Scene, lease: Lease) -> Any:
    """A lease on a task that stays where it is: one in review, or one in progress that nobody held."""
    after = taken_over(card, lease, now=scene.now)
    write_move(tx, after)
    if lease.kind is LeaseKind.WORK:
        tx.write(queries.MARK_ACTED, tx.account_id, card.id, principal.id, expect=1)
    event_id = events.record(
        tx,
        "board:task:claimed",
        entity=("task", card.id),
        sequence=after.version,
        actor=principal,
        payload={"lease": lease} | _ended(card) | (reserving.payload(scene) if lease.kind is LeaseKind.WORK else {}),
    )
    await _told(tx, principal, after, scene, event_id)
    return hints.shown(principal, after, scene, lease=lease)


def _ended(card: Card) -> dict[str, object]:
    lapsed = lease_of(card)
    return {"lease_ended": lapsed} if lapsed else {}


def _kept(principal: Principal, card: Card, scene: Scene) -> ClaimView:
    lease = lease_of(card)
    view = hints.shown(principal, card, scene, lease=lease)
    return ClaimView(task=view, lease=hints.lease_view(card.id, lease) if lease else None, handoff=handoffs.latest(scene))


async def _held_already(tx: Transaction, principal: Principal) -> ClaimView:
    """What the caller holds, the one that runs out first; nothing when it holds nothing."""
    scene = await scenes.stage(tx, principal)
    for task_id in scene.held:
        found = await scenes.in_hand(tx, principal, task_id)
        if found and rules.is_held(found[0], now=found[1].now) and found[0].lease_agent_id == principal.id:
            return _kept(principal, *found)
    return ClaimView()


async def heartbeat(tx: Transaction, principal: Principal, asked: AgentHeartbeat) -> LeaseView:
    """Renew the lease from now on, and keep the notes for whoever comes next."""
    row = await tx.fresh_row(statements.HELD, tx.account_id, asked.task_id)
    if asked.fence is None or not renewing.is_live(row, principal.id) or row["lease_fence"] != asked.fence:
        card, scene = await scenes.load(tx, principal, asked.task_id)
        raise unheld(_no_holder(card, scene, principal, fence=asked.fence), scene)
    renewed = renewing.extend(tx, asked.task_id, row)
    liveness.promise(tx, principal, asked.interval_seconds)
    if asked.handoff is not None:
        handoffs.leave(tx, principal, asked.task_id, HandoffKind.PROGRESS, given=asked.handoff, fence=asked.fence)
    return LeaseView(task_id=asked.task_id, kind=LeaseKind(row["lease_kind"]), fence=asked.fence, until=renewed)


def _no_holder(card: Card, scene: Scene, principal: Principal, *, fence: int | None) -> LeaseRefusal:
    if fence is None and rules.is_held(card, now=scene.now) and card.lease_agent_id == principal.id:
        return LeaseRefusal(problem=LeaseProblem.REQUIRED, holder=principal.id, until=card.lease_until)
    return rules.lost(card, now=scene.now)


async def release(tx: Transaction, principal: Principal, asked: AgentRelease) -> Any:
    """Give the task back: work goes back to `assigned`, a task in review stays there for another reviewer."""
    card, scene = await scenes.load(tx, principal, asked.task_id)
    lease = lease_of(card)
    if lease is None or lease.agent_id != principal.id or lease.fence != asked.fence or lease.until <= scene.now:
        raise unheld(_no_holder(card, scene, principal, fence=asked.fence), scene)
    handoffs.leave(tx, principal, card.id, HandoffKind.RELEASE, given=asked.handoff, words=asked.reason, fence=lease.fence)
    said = handoffs.said(asked.handoff, asked.reason)
    return await _given_back(tx, principal, card, scene, rule="release", reason=asked.reason, handoff=said)


async def expire(tx: Transaction, task_id: UUID, fence: int) -> bool:
    """Take back what the holder let run out; a lease that was renewed is watched on. Answers whether it was taken."""
    board = the_board(tx.account_id)
    card, scene = await scenes.load(tx, board, task_id)
    lease = lease_of(card)
    if lease is None or lease.fence != fence:
        return False
    left = (lease.until - scene.now).total_seconds()
    if left > 0:
        watch(tx, task_id, lease, seconds=left)
        return False
    left_notes = await tx.value(notes.NOTES, tx.account_id, task_id, fence)
    said = msgspec.json.decode(left_notes) if left_notes else {}
    _end_lapsed(tx, card, scene, lease)
    await _given_back(tx, board, card, scene, rule="lease_expired", reason="the lease ran out", handoff=said)
    return True


def _end_lapsed(tx: Transaction, card: Card, scene: Scene, lease: Lease) -> None:
    """Keep what the holder of a lease that ran out had noted, as its handoff."""
    author, words = (
        _author(the_board(tx.account_id), scene.agent(lease.agent_id)),
        "The lease ran out and the holder left no notes.",
    )
    handoffs.leave(tx, author, card.id, HandoffKind.EXPIRY, given=None, words=words, fence=lease.fence)


def _author(board: Principal, holder: AgentFacts | None) -> Principal:
    if holder is None:
        return board
    return Principal(kind=ActorKind.AGENT, id=holder.id, account_id=board.account_id, name=holder.name)


async def _given_back(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    card: Card,
    scene: Scene,
    *,
    rule: str,
    reason: str | None,
    handoff: dict[str, Any],
) -> Any:
    if card.status is TaskStatus.IN_PROGRESS:
        goal = TaskStatus.ASSIGNED if scene.assignees else TaskStatus.INBOX
        change = Change(goal=goal, rule=rule, reason=reason, marks={"handoff": handoff} if handoff else {})
        return await moved(tx, principal, card, scene, change)
    after = taken_over(card, None, now=scene.now)
    write_move(tx, after)
    payload = {"rule": rule, "lease_ended": ended_lease(card), "handoff": handoff}
    event_id = events.record(
        tx, "board:task:lease_ended", entity=("task", card.id), sequence=after.version, actor=principal, payload=payload
    )
    await _told(tx, principal, after, scene, event_id)
    return hints.shown(principal, after, scene)


async def _told(tx: Transaction, principal: Principal, after: Card, scene: Scene, event_id: UUID) -> None:
    depth = depth_of(scene, principal)
    await tx.tell(LeaseChanged(event_id=event_id, card=after, scene=scene, actor=principal, depth=depth))
