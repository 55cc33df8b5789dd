"""Appending to the log, in the transaction that makes it true."""

from typing import Any
from uuid import UUID

from app.events import queries
from app.events.types import TYPE, Entry
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wake import BOARD


def record(  # noqa: PLR0913
    tx: Transaction,
    kind: str,
    *,
    entity: tuple[str, UUID],
    sequence: int = 1,
    actor: Principal | None,
    payload: dict[str, Any],
    event_id: UUID | None = None,
) -> UUID:
    """Append one event, numbered when the transaction commits; `actor` None is the system. Answers the event's id."""
    if not TYPE.fullmatch(kind):
        raise ValueError(f"{kind} is not domain:entity:action")
    origin = tx.origin
    entry = Entry(
        event_id=event_id or new_id(),
        type=kind,
        entity_kind=entity[0],
        entity_id=entity[1],
        sequence=sequence,
        actor_kind=(actor.kind if actor else ActorKind.SYSTEM).value,
        actor_id=actor.id if actor else None,
        source=origin.source,
        cause_id=origin.cause_id,
        depth=origin.depth,
        request_id=origin.request_id,
        correlation_id=origin.correlation_id,
        payload=payload,
    )
    tx.put(queries.RECORD, entry)
    tx.wake(BOARD, tx.account_id)
    return entry.event_id
