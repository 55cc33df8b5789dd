"""Enqueueing durable work in the transaction that makes it necessary."""

from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wake import EVERYTHING, WORK
from app.runtime import queries

DEFAULT_PRIORITY = 2


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be enqueued: `lane_id` keeps order with others of that lane, times are in seconds from now."""

    type: str
    idempotency_key: str
    payload: dict[str, Any]
    profile: str = "standard_async"
    prio: int = DEFAULT_PRIORITY
    lane_id: UUID | None = None
    delay_seconds: float = 0
    expires_seconds: float | None = None


class _Row(Order, frozen=True, kw_only=True):
    id: UUID
    actor_kind: ActorKind
    actor_id: UUID | None
    trigger_source: str
    cause_id: UUID | None
    depth: int
    request_id: str
    correlation_id: str


def enqueue(tx: Transaction, order: Order, *, actor: Principal | None, cause_id: UUID | None = None, depth: int = 0) -> UUID:
    """Write a command on the caller's connection; it exists if and only if the caller's change does. Answers its id."""
    command_id = new_id()
    row = _Row(
        **msgspec.structs.asdict(order),
        id=command_id,
        actor_kind=actor.kind if actor else ActorKind.SYSTEM,
        actor_id=actor.id if actor else None,
        trigger_source=tx.origin.source,
        cause_id=cause_id or tx.origin.cause_id,
        depth=depth,
        request_id=tx.origin.request_id,
        correlation_id=tx.origin.correlation_id,
    )
    tx.put(queries.ENQUEUE, row)
    payload = {"type": order.type, "profile": order.profile, "state": "queued"}
    events.record(tx, "runtime:command:created", entity=("command", command_id), actor=actor, payload=payload, sequence=0)
    if not order.delay_seconds:
        tx.wake(WORK, EVERYTHING)
    return command_id
