"""Messages of people that are orders to the board."""

from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.messages import rules, service
from app.messages.schemas import SaidView
from app.tasks import scenes, stopping
from app.tasks.schemas.stopping import StoppedView
from app.tasks.types import TaskStatus


async def say(tx: Transaction, principal: Principal, task_id: UUID, content: str) -> SaidView | StoppedView:
    """Post a message, and obey it if it is an order; what changes nothing is not posted. What an agent says is never an order."""
    order = rules.order(content) if principal.kind is ActorKind.PERSON else None
    if order is None:
        return _said(await service.post(tx, principal, task_id, content))
    return await _stop(tx, principal, task_id, content, reason=order.words)


async def _stop(tx: Transaction, principal: Principal, task_id: UUID, content: str, *, reason: str) -> SaidView | StoppedView:
    card, scene = await scenes.load(tx, principal, task_id)
    rule = stopping.admit(principal, card, scene)
    if card.status is TaskStatus.BLOCKED:
        return await stopping.stopped(tx, principal, card, scene, rule=rule, reason=reason)
    said = _said(await service.post(tx, principal, task_id, content, is_order=True))
    # The message and the move change the same row.
    await tx.flush()
    outcome = await stopping.stopped(tx, principal, card, scene, rule=rule, reason=reason)
    return msgspec.structs.replace(said, stopped=outcome)


def _said(message: object) -> SaidView:
    return msgspec.convert(message, SaidView, from_attributes=True)
