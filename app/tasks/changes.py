"""How a decided change of a card is written: the row, its lease, the event, and those who hear of it."""

from datetime import datetime

import msgspec

from app.events import service as events
from app.kernel.errors import (
    CallboardError,
    Held,
    InvalidTransition,
    LeaseLost,
    LeaseRequired,
    RequirementFailed,
    VersionConflict,
)
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies.closing import closers
from app.tasks import handoffs, hints, queries, searching
from app.tasks.schemas import TaskView
from app.tasks.types import (
    Card,
    Closed,
    Illegal,
    Lease,
    LeaseProblem,
    LeaseRefusal,
    Missing,
    Move,
    Scene,
    TaskMoved,
    TaskStatus,
)

STARTS = frozenset({TaskStatus.IN_PROGRESS, TaskStatus.REVIEW})


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A move that was decided; without `lease` it ends the one there was. `marks` go into the event.

    `has_joined` is true of a caller whose assignment is written in the same transaction and says itself that it started.
    """

    goal: TaskStatus
    rule: str
    blocked_reason: str | None = None
    reason: str | None = None
    lease: Lease | None = None
    has_joined: bool = False
    marks: dict[str, object] = {}


async def moved(tx: Transaction, principal: Principal, card: Card, scene: Scene, change: Change) -> TaskView:
    """Write the move and tell the rooms above; the answer shows a new lease to its holder."""
    after = moved_card(card, goal=change.goal, now=scene.now, blocked_reason=change.blocked_reason, lease=change.lease)
    write_move(tx, after)
    if principal.kind is not ActorKind.SYSTEM:
        handoffs.keep_notes(tx, principal, card)
    mine = scene.agent(principal.id)
    acts = change.goal in STARTS and mine is not None and mine.is_assigned and not change.has_joined
    if acts and principal.kind is ActorKind.AGENT:
        tx.write(queries.MARK_ACTED, tx.account_id, card.id, principal.id, expect=1)
    await told(tx, principal, card, after, scene, change)
    seen = hints.having(scene, principal.id, acted=True) if acts else scene
    return hints.shown(principal, after, seen, lease=change.lease)


async def told(tx: Transaction, principal: Principal, card: Card, after: Card, scene: Scene, change: Change) -> None:
    """Record a move that is written, and tell the rooms above."""
    searching.follow(tx, card, after)
    event_id = events.record(
        tx,
        "board:task:status_changed",
        entity=("task", card.id),
        sequence=after.version,
        actor=principal,
        payload=_payload(principal, card, scene, change),
    )
    those = frozenset(closers(scene.crew, scene.account).ids) if change.goal is TaskStatus.REVIEW else frozenset()
    happened = TaskMoved(
        event_id=event_id,
        card=after,
        scene=scene,
        actor=principal,
        depth=depth_of(scene, principal),
        start=card.status,
        reason=change.reason,
        closers=those,
    )
    await tx.tell(happened)


def _payload(principal: Principal, card: Card, scene: Scene, change: Change) -> dict[str, object]:
    payload: dict[str, object] = {"from": card.status, "to": change.goal, "rule": change.rule, **change.marks}
    if change.reason:
        payload["reason"] = change.reason
    if change.lease is not None:
        payload["lease"] = change.lease
    elif card.lease_agent_id is not None:
        payload["lease_ended"] = ended_lease(card)
    if change.goal is TaskStatus.DONE and principal.kind is ActorKind.PERSON:
        payload["own_task"] = any(person.id == principal.id for person in scene.assigned_people)
    return payload


def ended_lease(card: Card) -> dict[str, object]:
    """How an event tells that the lease on this card came to its end."""
    return {"agent_id": card.lease_agent_id, "fence": card.lease_fence}


def lease_of(card: Card) -> Lease | None:
    """The lease on the card, whether or not it has run out."""
    if card.lease_agent_id is None or card.lease_kind is None or card.lease_until is None:
        return None
    return Lease(agent_id=card.lease_agent_id, kind=card.lease_kind, fence=card.lease_fence, until=card.lease_until)


def moved_card(
    card: Card, *, goal: TaskStatus, now: datetime, blocked_reason: str | None = None, lease: Lease | None = None
) -> Card:
    changed = msgspec.structs.replace(
        card,
        status=goal,
        blocked_reason=blocked_reason if goal is TaskStatus.BLOCKED else None,
        completed_at=now if goal is TaskStatus.DONE else card.completed_at if goal is TaskStatus.ARCHIVED else None,
        archived_at=now if goal is TaskStatus.ARCHIVED else None,
        updated_at=now,
        version=card.version + 1,
    )
    return held_by(changed, lease)


def taken_over(card: Card, lease: Lease | None, *, now: datetime) -> Card:
    """The card where it stands, under another lease or none."""
    return msgspec.structs.replace(held_by(card, lease), updated_at=now, version=card.version + 1)


def held_by(card: Card, lease: Lease | None) -> Card:
    """The card under this lease; the last fence stays when there is none, so that the next one is larger."""
    return msgspec.structs.replace(
        card,
        lease_agent_id=lease.agent_id if lease else None,
        lease_kind=lease.kind if lease else None,
        lease_fence=lease.fence if lease else card.lease_fence,
        lease_until=lease.until if lease else None,
    )


def write_move(tx: Transaction, after: Card) -> None:
    arguments = (after.status, after.blocked_reason, after.completed_at, after.archived_at, after.updated_at)
    lease = (after.lease_agent_id, after.lease_kind, after.lease_fence, after.lease_until)
    tx.write(queries.MOVE_TASK, tx.account_id, after.id, *arguments, *lease, expect=1)


def depth_of(scene: Scene, principal: Principal) -> int:
    """How many causes lie behind what this actor does: a person starts anew, an agent follows what woke it."""
    if principal.kind is not ActorKind.AGENT or scene.wake is None:
        return 0
    return scene.wake.depth + 1


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


def unheld(refusal: LeaseRefusal, scene: Scene) -> CallboardError:
    """The error that a lease's refusal becomes; it names the holder by its slug."""
    holder = scene.agent(refusal.holder)
    known = {"held_by": holder.slug if holder else refusal.holder, "until": refusal.until} if refusal.holder else {}
    match refusal.problem:
        case LeaseProblem.LOST:
            return LeaseLost("this fence is not the task's any more; claim the task again before you write", **known)
        case LeaseProblem.REQUIRED:
            return LeaseRequired("this write needs the fence of your lease: claim the task, then send its `fence`", **known)
        case LeaseProblem.HELD:
            return Held("another agent holds this task", reason="holder", **known)
        case LeaseProblem.CAPACITY:
            words = f"you hold {len(refusal.held)} tasks and may hold {refusal.capacity}; finish or release one first"
            return Held(words, reason="capacity", held=refusal.held, capacity=refusal.capacity)
