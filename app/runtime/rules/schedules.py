"""When a schedule ticks, and which of its ticks fire; all instants are in UTC.

A local time that a clock change skips is the instant of that change, one that it repeats is the first of the two.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec
from croniter import croniter
from croniter.croniter import CroniterBadDateError

from app.runtime.types import Misfire

# How late the newest tick may be and still count as on time; any older one was missed.
GRACE = timedelta(seconds=60)
MOST_COUNTED = 200
MOST_CATCH_UP = 100
FAILURES_TO_DISABLE = 5
# Windows that are tried before it is taken for granted that no tick ever falls into one.
MOST_WINDOWS = 800
CRON_FIELDS = 5
YEARS_BETWEEN = 8
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
# Fields whose value would be drawn, not said.
_DRAWN = re.compile(r"(^|[\s,])[hr]($|[\s,(/])", re.IGNORECASE)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When to tick: by `cron` in a time zone or each `interval_seconds` from the last tick; `active_hours` are of that zone."""

    cron: str | None = None
    interval_seconds: int | None = None
    timezone: str = "UTC"
    misfire: Misfire = Misfire.RUN_ONCE
    catch_up_most: int = 1
    jitter_seconds: int = 0
    active_hours: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The ticks to fire now, how many others passed unfired, and when the next one comes; None when none ever will."""

    fire: tuple[datetime, ...]
    missed: int
    next_at: datetime | None
    fires_at: datetime | None


def fault_of_cron(expression: str) -> str | None:
    """What is wrong with a cron expression."""
    if len(expression.split()) != CRON_FIELDS:
        return "must have five fields: minute, hour, day of the month, month and day of the week"
    if _DRAWN.search(expression):
        return "must say its times; h and r would draw them"
    try:
        croniter.expand(expression)
    except (ValueError, KeyError, IndexError) as error:
        return f"is no cron expression: {error}"
    return None


def fault_of_hours(hours: str) -> str | None:
    found = _HOURS.fullmatch(hours)
    if found is None:
        return "must look like 09:00-17:00"
    return "must begin and end at different times" if found.group(1, 2) == found.group(3, 4) else None


def plan(timing: Timing, *, next_at: datetime, now: datetime, jitter: float) -> Plan:
    """What to do at `now`, when the tick `next_at` is due; `jitter` is in [0, 1).

    A tick was missed when a later one is due as well or when it is too late; the policy then says what still runs.
    """
    due = _newest(timing, since=next_at, until=now)
    upcoming, fires_at = following(timing, after=now, anchor=next_at, jitter=jitter)
    chosen = _chosen(timing, due, now=now)
    return Plan(fire=tuple(chosen), missed=len(due) - len(chosen), next_at=upcoming, fires_at=fires_at)


def _chosen(timing: Timing, due: list[datetime], *, now: datetime) -> list[datetime]:
    if not due:
        return []
    *missed, newest = due
    on_time = [newest] if now - newest <= GRACE + timedelta(seconds=timing.jitter_seconds) else []
    match timing.misfire:
        case Misfire.SKIP:
            return on_time
        case Misfire.RUN_ONCE:
            return [newest]
        case Misfire.CATCH_UP:
            missed = missed if on_time else due
            return [*missed[-timing.catch_up_most :], *on_time]


def following(
    timing: Timing, *, after: datetime, anchor: datetime, jitter: float
) -> tuple[datetime, datetime] | tuple[None, None]:
    """The first tick after an instant, and when it fires: before the tick that comes after it, however large the jitter."""
    tick = next_tick(timing, after=after, anchor=anchor)
    if tick is None:
        return None, None
    if not timing.jitter_seconds:
        return tick, tick
    another = next_tick(timing, after=tick, anchor=anchor)
    room = timedelta(seconds=timing.jitter_seconds)
    room = room if another is None else min(room, another - tick)
    # The product of a factor just below one may be rounded up.
    return tick, tick + min(jitter * room, room - INSTANT)


def upcoming(timing: Timing, *, after: datetime, anchor: datetime, count: int) -> list[datetime]:
    """The next ticks, without jitter."""

    def ticks() -> Iterator[datetime]:
        tick = next_tick(timing, after=after, anchor=anchor)
        while tick is not None:
            yield tick
            tick = next_tick(timing, after=tick, anchor=anchor)

    return list(islice(ticks(), count))


def next_tick(timing: Timing, *, after: datetime, anchor: datetime) -> datetime | None:
    """The first tick after an instant; an interval ticks at `anchor` and each whole number of intervals from it."""
    for _ in range(MOST_WINDOWS):
        tick = _next_in_any_hour(timing, after=after, anchor=anchor)
        if tick is None or _is_active(timing, tick):
            return tick
        after = min(opens for opens, _ in _windows(timing, tick) if opens > tick) - INSTANT
    return None


def _newest(timing: Timing, *, since: datetime, until: datetime) -> list[datetime]:
    """The newest ticks of a span that has both ends in it, oldest first; at most as many as are counted."""
    found: list[datetime] = []
    before = until + INSTANT
    while len(found) < MOST_COUNTED:
        tick = _last_in_any_hour(timing, before=before, anchor=since)
        if tick is None or tick < since:
            break
        if _is_active(timing, tick):
            found.append(tick)
            before = tick
        else:
            before = max(closes for _, closes in _windows(timing, tick) if closes <= tick)
    return found[::-1]


def _is_active(timing: Timing, tick: datetime) -> bool:
    return timing.active_hours is None or any(opens <= tick < closes for opens, closes in _windows(timing, tick))


def _windows(timing: Timing, around: datetime) -> list[tuple[datetime, datetime]]:
    """The active hours of the days around an instant."""
    found = _HOURS.fullmatch(timing.active_hours or "")
    if found is None:
        return []
    zone, numbers = ZoneInfo(timing.timezone), [int(part) for part in found.groups()]
    begin, end = time(numbers[0], numbers[1]), time(numbers[2], numbers[3])
    today = around.astimezone(zone).date()
    days = [today + offset * DAY for offset in range(-3, 4)]
    return [(_at(zone, day, begin), _at(zone, day + DAY if end < begin else day, end)) for day in days]


def _at(zone: ZoneInfo, day: date, clock: time) -> datetime:
    return _instant(zone, datetime.combine(day, clock))


def _next_in_any_hour(timing: Timing, *, after: datetime, anchor: datetime) -> datetime | None:
    if timing.interval_seconds is not None:
        step = timedelta(seconds=timing.interval_seconds)
        return anchor + ((after - anchor) // step + 1) * step
    zone = ZoneInfo(timing.timezone)
    walk = _walk(timing, after.astimezone(zone).replace(tzinfo=None))
    try:
        # Of the hour that a clock change repeats, the ticks came when it was there first.
        while (tick := _instant(zone, walk.get_next(datetime))) <= after:
            pass
    except CroniterBadDateError:
        return None
    return tick


def _last_in_any_hour(timing: Timing, *, before: datetime, anchor: datetime) -> datetime | None:
    if timing.interval_seconds is not None:
        step = timedelta(seconds=timing.interval_seconds)
        return anchor + -((anchor - before) // step + 1) * step
    zone = ZoneInfo(timing.timezone)
    local = before.astimezone(zone)
    first, second = local.replace(fold=0).utcoffset(), local.utcoffset()
    repeated = (first or timedelta()) - (second or timedelta())
    walk = _walk(timing, local.replace(tzinfo=None) + repeated + INSTANT)
    try:
        while (tick := _instant(zone, walk.get_prev(datetime))) >= before:
            pass
    except CroniterBadDateError:
        return None
    return tick


def _walk(timing: Timing, start: datetime) -> croniter:
    return croniter(timing.cron or "", start, max_years_between_matches=YEARS_BETWEEN)


def _instant(zone: ZoneInfo, local: datetime) -> datetime:
    """The instant of a local time; of one that is skipped, when the clock changes over it."""
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    # Taken with the offset that was before, it lies behind the change, and with the other one before it.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        low, high = (middle, high) if middle.astimezone(zone).replace(tzinfo=None) < local else (low, middle)
    return high.replace(microsecond=0)
