"""The clock at the wire."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from app.kernel.wire import Body, View, in_calendar
from app.runtime.types import ClockMode

TEN_YEARS = 315_576_000
Seconds = Annotated[float, Meta(ge=0, le=TEN_YEARS, description="From where the clock stands.")]
Instant = Annotated[datetime, Meta(tz=True, description="An instant that the clock has not passed.")]


class ClockMove(Body):
    """How far to go: `seconds` or `to`."""

    seconds: Seconds | None = None
    to: Instant | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.to is None):
            raise ValueError("say either `seconds` or `to`")
        in_calendar(self.to)


class ClockView(View):
    """`next_due` is when a command or schedule of this account wants to begin; in the past while it waits for a worker."""

    mode: ClockMode
    now: datetime
    next_due: datetime | None


class ClockMovedView(View):
    """Where the clock went. `is_complete` is false if something was still under way when the patience of one call ended."""

    mode: ClockMode
    was: datetime
    now: datetime
    target: datetime
    next_due: datetime | None
    steps: int
    is_complete: bool
    detail: str = ""
