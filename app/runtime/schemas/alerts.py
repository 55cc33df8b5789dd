"""The wire shapes of alerts."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body, View
from app.runtime.types import AlertSeverity

AlertState = Literal["open", "cleared"]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class AlertClearing(Body):
    reason: Reason


class AlertView(View):
    """One row until it is cleared, however often the condition is `seen`; `fingerprint` says what is the same alert."""

    id: UUID
    fingerprint: str
    kind: str
    severity: AlertSeverity
    message: str
    entity_kind: str
    entity_id: UUID | None
    seen: int
    opened_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None


class AlertPage(View):
    items: list[AlertView]
    next_cursor: str | None
    limit: int
