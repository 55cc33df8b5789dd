"""The wire shape of an event."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.kernel.types import ActorKind
from app.kernel.wire import View


class EventView(View):
    """`seq` is the account's own count, without gaps and in commit order; resume with `after` set to the last one seen."""

    seq: int
    event_id: UUID
    type: str
    entity_kind: str
    entity_id: UUID
    sequence: int
    sequence_stream: str
    account_id: UUID
    actor_kind: ActorKind
    actor_id: UUID | None
    source: str
    cause_id: UUID | None
    depth: int
    request_id: str
    correlation_id: str
    payload: dict[str, Any]
    schema_version: int
    at: datetime


class EventPage(View):
    """`next_cursor` is where to go on, also when nothing is there yet."""

    items: list[EventView]
    next_cursor: str
    limit: int
