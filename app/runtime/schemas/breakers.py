"""The wire shapes of breakers."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from app.kernel.wire import Body, View
from app.runtime.schemas.settings import Reason
from app.runtime.types import BreakerState


class BreakerReset(Body):
    dependency: Annotated[str, Meta(min_length=1, max_length=500)]
    reason: Reason


class BreakerView(View):
    """What is known of a dependency outside; while it is open, nothing is sent there before `retry_at`."""

    dependency: str
    state: BreakerState
    failures: int
    first_failure_at: datetime | None
    opened_at: datetime | None
    retry_at: datetime | None
    last_error: str | None
    updated_at: datetime


class BreakerPage(View):
    items: list[BreakerView]
    next_cursor: str | None
    limit: int
