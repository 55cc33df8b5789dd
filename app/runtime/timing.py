"""The times of a stored schedule: read, checked, and counted on from."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.kernel.errors import Invalid
from app.runtime.rules import schedules as rules
from app.runtime.rules.schedules import Timing

INSTANTS = 1_000_000


def of(row: Any) -> Timing:
    return msgspec.convert({name: row[name] for name in Timing.__struct_fields__}, Timing)


def checked(fields: dict[str, Any]) -> Timing:
    """The times that were asked for; Invalid with the field where they are none."""
    timing = Timing(**{name: fields[name] for name in Timing.__struct_fields__})
    if (timing.cron is None) == (timing.interval_seconds is None):
        raise Invalid.field("cron", "give either cron or interval_seconds")
    try:
        ZoneInfo(timing.timezone)
    except (ValueError, OSError, KeyError):
        raise Invalid.field("timezone", f"there is no time zone {timing.timezone}") from None
    if timing.cron is not None and (fault := rules.fault_of_cron(timing.cron)):
        raise Invalid.field("cron", fault)
    if timing.active_hours is not None and (fault := rules.fault_of_hours(timing.active_hours)):
        raise Invalid.field("active_hours", fault)
    return timing


def from_now(timing: Timing, *, now: datetime, anchor: datetime) -> dict[str, datetime]:
    """Its next tick, and when it fires; Invalid when none ever comes.

    Until it has ticked once, its place within the jitter is drawn from the fraction of a second at which it was asked for:
    any for people, and always the same where time is simulated.
    """
    jitter = now.microsecond / INSTANTS
    next_at, fires_at = rules.following(timing, after=now, anchor=anchor, jitter=jitter)
    if next_at is None or fires_at is None:
        field = "cron" if timing.active_hours is None else "active_hours"
        raise Invalid.field(field, "no tick would ever come")
    return {"next_at": next_at, "fires_at": fires_at}


def whole(now: datetime) -> datetime:
    """The second, so that an interval ticks on whole ones."""
    return now.replace(microsecond=0)
