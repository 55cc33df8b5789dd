"""What a task's wake-ups cost, and the quarantine that ends them until a person lifts it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal, the_board
from app.observability.metrics import QUARANTINES
from app.policies import service as policies
from app.policies.types import Action
from app.runtime.rules.settings import LOOP_CREDITS, LOOP_DEPTH
from app.tasks import hints, scenes
from app.tasks.queries import guards as queries
from app.tasks.rules import guards as rules
from app.tasks.schemas import TaskView
from app.tasks.schemas.guards import Lifting, LinkView, QuarantineView
from app.tasks.types import Card, Chain, Guard, Link, QuarantineLifted, QuarantineReason, Scene, TaskQuarantined


class _Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction adds to a task's guard."""

    task_id: UUID
    full_credits: int
    wakes: int = 0
    spends: int = 0
    restores: bool = False
    spent_for: UUID | None = None


class _Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a run leaves of the credits, and what is written for it."""

    left: int
    spent: _Spent | None


def full_credits(tx: Transaction) -> int:
    return tx.controls.limit(tx.account_id, LOOP_CREDITS)


def woken(tx: Transaction, card: Card, scene: Scene) -> None:
    """Count a wake-up that an agent or the board makes."""
    rules.count(scene.guard, now=scene.now)
    tx.put(queries.GUARD, _Spent(task_id=card.id, full_credits=full_credits(tx), wakes=1))


def restore(tx: Transaction, card: Card, guard: Guard) -> None:
    """A person acted: all that runs had cost is forgotten."""
    full = full_credits(tx)
    if rules.credits_left(guard.credits, full=full) < full:
        guard.credits = full
        tx.put(queries.GUARD, _Spent(task_id=card.id, full_credits=full, restores=True))


async def charge(tx: Transaction, notification_id: UUID, *, free: frozenset[str]) -> None:
    """A run about a task ended: progress restores its credits, otherwise one is spent, and the last one quarantines the task.

    What wakes of the types `free` lead to costs nothing, and neither does what a person's act led to.
    """
    row = await tx.fresh_row(queries.RUN, tx.account_id, notification_id)
    if row is None:
        return
    charge = _charged(tx, row, free=free)
    if charge.left == 0:
        # Its lock is held by now, so nothing has changed since that another run did meanwhile.
        row = await tx.row(queries.RUN, tx.account_id, notification_id)
        charge = _charged(tx, row, free=free)
    if charge.spent is not None:
        tx.put(queries.GUARD, charge.spent)
    if charge.left == 0:
        card, scene = await scenes.load(tx, the_board(tx.account_id), row["task_id"])
        led = await chain(tx, scene.guard, card, notification_id)
        await quarantine(tx, card, scene, QuarantineReason.NO_PROGRESS, cause_id=notification_id, links=led.links)


def _charged(tx: Transaction, row: Any, *, free: frozenset[str]) -> _Charge:
    full, before, has_progress = full_credits(tx), row["credits"], row["has_progress"]
    is_charged = row["type"] not in free and rules.is_charged(row["charged_to"], spent_for=row["spent_for"])
    left = rules.after_run(before, full=full, has_progress=has_progress, is_charged=is_charged)
    # A run whose consequences brought the task further costs nothing later either.
    if left == rules.credits_left(before, full=full) and not (is_charged and before is not None):
        return _Charge(left=left, spent=None)
    spent = _Spent(
        task_id=row["task_id"],
        full_credits=full,
        spends=int(is_charged and not has_progress),
        restores=has_progress,
        spent_for=row["charged_to"] if is_charged else None,
    )
    return _Charge(left=left, spent=spent)


async def chain(tx: Transaction, guard: Guard, card: Card, cause_id: UUID | None) -> Chain:
    """What led to the notification, itself first, as far back as causes go; read once for all who are told of one act."""
    if cause_id is None:
        return Chain(links=(), progress=0)
    if cause_id not in guard.chains:
        links = await _led(tx, cause_id, steps=tx.controls.limit(tx.account_id, LOOP_DEPTH) + 1)
        latest = await tx.row(queries.LAST_PROGRESS, tx.account_id, card.id)
        guard.chains = guard.chains | {cause_id: Chain(links=links, progress=latest["seq"] or 0)}
    return guard.chains[cause_id]


async def is_stuck(tx: Transaction, card: Card, guard: Guard) -> bool:
    """Whether the task came no further since the window of its wake-ups opened; asked once in a transaction."""
    if guard.is_stuck is None:
        latest = await tx.row(queries.LAST_PROGRESS, tx.account_id, card.id)
        guard.is_stuck = guard.wakes_since is None or latest["at"] is None or latest["at"] <= guard.wakes_since
    return guard.is_stuck


async def quarantine(
    tx: Transaction, card: Card, scene: Scene, reason: QuarantineReason, *, cause_id: UUID, links: Sequence[Link]
) -> None:
    """Stop the wake-ups of agents about the task, once; it names what led there and people are told."""
    scene.guard.is_quarantined = True
    # The task's row may be in what is gathered, and no statement changes a row twice.
    await tx.flush()
    version = await tx.value(queries.QUARANTINE, tx.account_id, card.id, reason, cause_id, full_credits(tx))
    if version is None:
        return
    payload = {"reason": reason, "chain": [_view(link) for link in links]}
    event_id = events.record(
        tx, "board:task:quarantined", entity=("task", card.id), sequence=version, actor=None, payload=payload
    )
    after = msgspec.structs.replace(card, quarantined_at=scene.now, quarantine_reason=reason, version=version)
    board = the_board(tx.account_id)
    QUARANTINES.labels(reason.value).inc()
    await tx.tell(TaskQuarantined(event_id=event_id, card=after, scene=scene, actor=board, depth=0, reason=reason))


async def lift(tx: Transaction, principal: Principal, task_id: UUID, asked: Lifting) -> TaskView:
    """Let agents be woken about the task again, with all credits and an empty window; its assignees are woken once."""
    card, scene = await scenes.load(tx, principal, task_id)
    rule = policies.require(Action.TASK_LIFT, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    if card.quarantined_at is None:
        return hints.shown(principal, card, scene)
    tx.write(queries.LIFT, tx.account_id, card.id, full_credits(tx), expect=1)
    payload = {"lifted": card.quarantine_reason, "since": card.quarantined_at, "reason": asked.reason, "rule": rule}
    after = msgspec.structs.replace(card, quarantined_at=None, quarantine_reason=None, version=card.version + 1)
    event_id = events.record(
        tx, "board:task:quarantine_lifted", entity=("task", card.id), sequence=after.version, actor=principal, payload=payload
    )
    seen = msgspec.structs.replace(scene, guard=Guard())
    happened = QuarantineLifted(event_id=event_id, card=after, scene=seen, actor=principal, depth=0, reason=asked.reason)
    await tx.tell(happened)
    return hints.shown(principal, after, seen)


async def shown(tx: Transaction, task_id: UUID) -> QuarantineView:
    """The quarantine of the task, if it is in one, and what led there."""
    row = await tx.row(queries.QUARANTINED, tx.account_id, task_id)
    if row is None:
        raise Missing.thing("task", task_id)
    return QuarantineView(
        task_id=task_id,
        quarantined_at=row["quarantined_at"],
        quarantine_reason=row["quarantine_reason"],
        chain=await links_to(tx, row["cause_id"]),
    )


async def links_to(tx: Transaction, cause_id: UUID | None) -> list[LinkView]:
    """What led to a notification, newest first."""
    if cause_id is None:
        return []
    return [_view(link) for link in await _led(tx, cause_id, steps=tx.controls.limit(tx.account_id, LOOP_DEPTH) + 2)]


async def _led(tx: Transaction, cause_id: UUID, *, steps: int) -> tuple[Link, ...]:
    rows = await tx.rows(queries.CHAIN, tx.account_id, cause_id, steps)
    return tuple(msgspec.convert(dict(row), Link) for row in sorted(rows, key=lambda row: int(row["step"])))


def _view(link: Link) -> LinkView:
    return LinkView(
        id=link.id,
        type=link.type,
        state=link.state,
        author_kind=link.actor_kind,
        author=link.author,
        recipient=link.recipient,
        at=link.created_at,
    )
