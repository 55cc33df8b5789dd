"""Enqueueing durable work in the transaction that makes it necessary."""

from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Invalid
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wake import EVERYTHING, WORK
from app.runtime.queries import enqueue as queries
from app.runtime.rules.profiles import profile_of
from app.runtime.rules.sharing import PRIORITY_WEIGHTS
from app.runtime.taxonomy import REGISTRY
from app.runtime.types import CommandHeld, CommandState, HeldBy, Queue, Terms


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be enqueued: `lane_id` keeps order with others of that lane, times are in seconds from now.

    What is None, the type says; `held_by` lets it wait until it is released, `request_hash` tells a repetition from another wish.
    """

    type: str
    idempotency_key: str
    payload: dict[str, Any]
    profile: str | None = None
    prio: int | None = None
    lane_id: UUID | None = None
    delay_seconds: float = 0
    expires_seconds: float | None = None
    held_by: str | None = None
    schedule_id: UUID | None = None
    request_hash: str | None = None


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    type: str
    profile: str
    queue: Queue
    state: CommandState
    prio: int
    delay_seconds: float
    expires_seconds: float | None
    idempotency_key: str
    payload: dict[str, Any]
    lane_id: UUID | None
    limit_keys: tuple[str, ...] | None
    held_by: str | None
    schedule_id: UUID | None
    actor_kind: ActorKind
    actor_id: UUID | None
    trigger_source: str
    cause_id: UUID | None
    depth: int
    request_id: str
    correlation_id: str
    request_hash: str | None


def enqueue(tx: Transaction, order: Order, *, actor: Principal | None, cause_id: UUID | None = None, depth: int = 0) -> UUID:
    """Write a command on the caller's connection; it exists if and only if the caller's change does. Answers its id.

    UnknownCommand for a type that nobody declared; Overloaded, when the transaction ends, if its queue is full.
    """
    if order.prio is not None and order.prio not in PRIORITY_WEIGHTS:
        raise Invalid.field("prio", f"must be from {min(PRIORITY_WEIGHTS)}, the most urgent, to {max(PRIORITY_WEIGHTS)}")
    kind = REGISTRY.find(order.type)
    profile = order.profile or kind.profile
    limit_keys = kind.concurrency(order.payload) if kind.concurrency else ()
    command_id = new_id()
    state = CommandState.HELD if order.held_by else CommandState.QUEUED
    row = _Row(
        id=command_id,
        type=order.type,
        profile=profile,
        queue=Queue.OUTBOUND if order.lane_id or limit_keys else kind.queue,
        state=state,
        prio=kind.priority_under(profile) if order.prio is None else order.prio,
        delay_seconds=order.delay_seconds,
        expires_seconds=order.expires_seconds,
        idempotency_key=order.idempotency_key,
        payload=order.payload,
        # A limit is kept on a lane, so a command that has no order to keep gets a lane of its own.
        lane_id=order.lane_id or (command_id if limit_keys else None),
        limit_keys=limit_keys or None,
        held_by=order.held_by,
        schedule_id=order.schedule_id,
        actor_kind=actor.kind if actor else ActorKind.SYSTEM,
        actor_id=actor.id if actor else None,
        trigger_source=tx.origin.source,
        cause_id=cause_id or tx.origin.cause_id,
        depth=depth,
        request_id=tx.origin.request_id,
        correlation_id=tx.origin.correlation_id,
        request_hash=order.request_hash,
    )
    tx.put(queries.ENQUEUE, row)
    payload = {"type": order.type, "profile": profile, "state": state}
    events.record(tx, "runtime:command:created", entity=("command", command_id), actor=actor, payload=payload, sequence=0)
    if not order.delay_seconds and state is CommandState.QUEUED:
        tx.wake(WORK, EVERYTHING)
    return command_id


async def submit(tx: Transaction, order: Order, *, actor: Principal | None, terms: Terms | None = None) -> UUID:
    """Enqueue on somebody's behalf; what its profile or `terms` want approved is held, and the rooms above are told."""
    kind = REGISTRY.find(order.type)
    if terms is None and not profile_of(order.profile or kind.profile).needs_approval:
        return enqueue(tx, order, actor=actor)
    command_id = enqueue(tx, msgspec.structs.replace(order, held_by=HeldBy.APPROVAL), actor=actor)
    await tx.tell(CommandHeld(command_id=command_id, type=order.type, payload=order.payload, actor=actor, terms=terms or Terms()))
    return command_id
