"""Stopping a task at once: it is blocked, its holder is fenced out, and the rooms above end what waits or runs for it."""

from uuid import UUID

from app.events import service as events
from app.kernel.errors import InvalidTransition
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import handoffs, scenes, searching
from app.tasks.changes import depth_of, ended_lease, lease_of, moved_card, write_move
from app.tasks.rules import stopping as rules
from app.tasks.schemas.stopping import AgentStop, Stop, StoppedView
from app.tasks.types import Card, Ended, HandoffKind, Illegal, Scene, TaskStatus, TaskStopped

REASON_MOST = 2_000


async def stop(tx: Transaction, principal: Principal, task_id: UUID, asked: Stop | AgentStop) -> StoppedView:
    """Stop a task, by whoever may."""
    card, scene = await scenes.load(tx, principal, task_id)
    rule = admit(principal, card, scene)
    return await stopped(tx, principal, card, scene, rule=rule, reason=asked.reason)


def admit(principal: Principal, card: Card, scene: Scene) -> str:
    """The rule under which this task is stopped; refused where the caller may not, or there is nothing to stop."""
    rule = policies.require(
        Action.TASK_STOP, principal=principal, account=scene.account, crew=scene.crew, status=card.status, goal=TaskStatus.BLOCKED
    )
    outcome = rules.stop(card.status)
    if isinstance(outcome, Illegal):
        words = f"only work that is handed out is stopped, and this task is {outcome.start}"
        raise InvalidTransition(words, **{"from": outcome.start, "to": outcome.goal, "allowed": outcome.allowed})
    return rule


async def stopped(
    tx: Transaction, principal: Principal, card: Card, scene: Scene, *, rule: str, reason: str | None
) -> StoppedView:
    """Block the card and let the rooms above end what hangs on it; one that is blocked keeps its reason."""
    is_new = card.status is not TaskStatus.BLOCKED
    words = (reason or "").strip()[:REASON_MOST] or f"{principal.name} stopped it."
    after = moved_card(card, goal=TaskStatus.BLOCKED, now=scene.now, blocked_reason=words) if is_new else card
    if is_new:
        write_move(tx, after)
        handoffs.leave(tx, principal, card.id, HandoffKind.BLOCK, given=None, words=words)
        handoffs.keep_notes(tx, principal, card)
        searching.follow(tx, card, after)
    ended, event_id = Ended(), new_id()
    happened = TaskStopped(
        event_id=event_id,
        card=after,
        scene=scene,
        actor=principal,
        depth=depth_of(scene, principal),
        start=card.status,
        reason=words,
        ended=ended,
    )
    await tx.tell(happened)
    if is_new or ended.notifications:
        _record(tx, principal, card, happened, rule=rule)
    return _view(after, ended, is_new=is_new)


def _record(tx: Transaction, principal: Principal, card: Card, happened: TaskStopped, *, rule: str) -> None:
    payload: dict[str, object] = {"from": card.status, "to": happened.card.status, "rule": rule, "reason": happened.reason}
    if lease_of(card):
        payload["lease_ended"] = ended_lease(card)
    payload["dropped"], payload["canceled"] = len(happened.ended.notifications), len(happened.ended.commands)
    events.record(
        tx,
        "board:task:stopped",
        entity=("task", card.id),
        sequence=happened.card.version,
        actor=principal,
        payload=payload,
        event_id=happened.event_id,
    )


def _view(after: Card, ended: Ended, *, is_new: bool) -> StoppedView:
    return StoppedView(
        task_id=after.id,
        status=after.status,
        blocked_reason=after.blocked_reason,
        version=after.version,
        already_blocked=not is_new,
        dropped_notifications=ended.notifications,
        canceled_commands=ended.commands,
    )
