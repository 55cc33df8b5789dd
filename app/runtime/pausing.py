"""Pauses: what an account does not start for now, and how that goes on afterwards."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.kernel.errors import Duplicate, Invalid, InvalidTransition, Missing
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wake import CONTROL
from app.runtime import auditing, service
from app.runtime.queries import pauses as queries
from app.runtime.rules.settings import SWITCH_CLAIMS, SWITCH_DELIVERIES
from app.runtime.schemas.settings import NewPause, PausePage, PauseView
from app.runtime.service import Order
from app.runtime.taxonomy import REGISTRY
from app.runtime.types import PauseKind, Queue

RELEASE = "runtime.release_paused"
# A claim that began before the pause ended may hold a command after that; no statement lasts so long.
LATE_SECONDS = 45.0
Which = tuple[PauseKind, str]
# A kill switch over work is a pause, so that what it held goes on when it is released.
PAUSES_OF: Mapping[str, Which] = {
    SWITCH_CLAIMS: (PauseKind.ALL, ""),
    SWITCH_DELIVERIES: (PauseKind.TYPE, "delivery.send"),
}
SWITCH_OF: Mapping[Which, str] = {which: name for name, which in PAUSES_OF.items()}


async def page(tx: Transaction) -> PausePage:
    """All pauses of the account, which are as few as its queues and types."""
    rows = await tx.rows(queries.PAUSES, tx.account_id)
    items = [msgspec.convert(dict(row), PauseView) for row in rows]
    return PausePage(items=items, next_cursor=None, limit=len(items))


async def pause(tx: Transaction, who: Principal, asked: NewPause) -> PauseView:
    """Start nothing of this kind any more; what runs goes on."""
    which = named(asked.kind, asked.name)
    if await _row(tx, which):
        raise Duplicate(f"{said(which)} is paused already", kind=which[0], name=which[1])
    _insert(tx, who, which, reason=asked.reason)
    await tx.flush()
    return msgspec.convert(dict(await _row(tx, which)), PauseView)


async def resume(tx: Transaction, who: Principal, kind: PauseKind, name: str, *, reason: str) -> None:
    """End the pause; what it held is queued again by a durable command."""
    which = named(kind, name)
    if await _row(tx, which) is None:
        raise Missing.thing("pause", said(which))
    switch = SWITCH_OF.get(which)
    if switch and await tx.value(queries.SWITCHED_ON, tx.account_id, switch):
        raise InvalidTransition(f"the kill switch {switch} keeps this pause; release the switch", switch=switch)
    _delete(tx, who, which, reason=reason)


async def switched(tx: Transaction, who: Principal, switch: str, *, is_on: bool, reason: str) -> None:
    """Make the pause that a kill switch stands for, or end it; one that somebody made before is theirs to end."""
    which = PAUSES_OF[switch]
    row = await _row(tx, which)
    if is_on and row is None:
        _insert(tx, who, which, reason=reason, is_of_switch=True)
    elif row is not None and not is_on and row["paused_by_kind"] == ActorKind.SYSTEM:
        _delete(tx, who, which, reason=reason)


def named(kind: PauseKind, name: str) -> Which:
    """What is meant; Invalid when there is no such queue or type."""
    match kind:
        case PauseKind.ALL:
            if name:
                raise Invalid.field("name", "must be left out: all is all")
        case PauseKind.QUEUE:
            if name not in set(Queue):
                raise Invalid.field("name", f"must be one of {', '.join(Queue)}")
        case PauseKind.TYPE:
            REGISTRY.find(name)
    return kind, name


def said(which: Which) -> str:
    """How a pause is written where a command says what holds it."""
    return f"{which[0]}:{which[1]}"


async def _row(tx: Transaction, which: Which) -> Any:
    return await tx.row(queries.PAUSE, tx.account_id, *which)


def _insert(tx: Transaction, who: Principal, which: Which, *, reason: str, is_of_switch: bool = False) -> None:
    by = (ActorKind.SYSTEM, None) if is_of_switch else (who.kind, who.id)
    tx.write(queries.INSERT_PAUSE, tx.account_id, *which, reason, *by, expect=1)
    _record(tx, who, "created", which, reason=reason)


def _delete(tx: Transaction, who: Principal, which: Which, *, reason: str) -> None:
    tx.write(queries.DELETE_PAUSE, tx.account_id, *which, expect=1)
    _record(tx, who, "ended", which, reason=reason)
    for delay in (0.0, LATE_SECONDS):
        payload = {"kind": which[0], "name": which[1]}
        order = Order(type=RELEASE, idempotency_key=str(new_id()), payload=payload, delay_seconds=delay)
        service.enqueue(tx, order, actor=who)


def _record(tx: Transaction, who: Principal, what: str, which: Which, *, reason: str) -> None:
    payload = {"kind": which[0], "name": which[1], "reason": reason}
    auditing.record(tx, f"pause:{what}", about=("pause", said(which)), sequence=1, actor=who, payload=payload)
    tx.wake(CONTROL, tx.account_id)
