"""Ticks against slow models that look at every minute."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runtime.rules import schedules as rules
from app.runtime.rules.schedules import GRACE, Timing
from app.runtime.types import Misfire

MINUTE = timedelta(minutes=1)
# Clock changes of an hour, of half an hour, at midnight, in the southern half, over a whole day, and none.
SPANS = {
    "Europe/Berlin": (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 3, 12, tzinfo=UTC), datetime(2026, 10, 2, 12, tzinfo=UTC)),
    "America/Asuncion": (datetime(2023, 3, 25, tzinfo=UTC), datetime(2023, 9, 30, tzinfo=UTC)),
    "Pacific/Apia": (datetime(2011, 12, 29, tzinfo=UTC), datetime(2011, 4, 1, tzinfo=UTC)),
    "Asia/Kolkata": (datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC)),
}
LENGTH = timedelta(days=2)


@cache
def minutes(zone, start):
    """Every minute of a span in UTC, with the local times that a clock on the wall shows or jumps over for the first time."""
    highest, found = (start - MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None), []
    for number in range(int(LENGTH / MINUTE)):
        local = (start + number * MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        found.append((start + number * MINUTE, [highest + (n + 1) * MINUTE for n in range(int((local - highest) / MINUTE))]))
        highest = max(highest, local)
    return found


def ticks_of(zone, start, matches):
    return [instant for instant, passed in minutes(zone, start) if any(matches(one) for one in passed)]


@st.composite
def crons(draw):
    """An expression and what it matches."""
    hours = draw(st.sets(st.integers(0, 23), min_size=1, max_size=6))
    minutes_ = draw(st.sets(st.integers(0, 59), min_size=1, max_size=4))
    days = draw(st.none() | st.sets(st.integers(0, 6), min_size=1))
    every_hour = draw(st.booleans())
    shown = ["*" if every_hour else ",".join(map(str, sorted(hours))), ",".join(map(str, sorted(minutes_)))]
    expression = f"{shown[1]} {shown[0]} * * {'*' if days is None else ','.join(map(str, sorted(days)))}"

    def matches(local):
        return (
            local.minute in minutes_ and (every_hour or local.hour in hours) and (days is None or local.isoweekday() % 7 in days)
        )

    return expression, matches


places = st.sampled_from([(zone, start) for zone, starts in SPANS.items() for start in starts])


@settings(deadline=None, max_examples=40)
@given(cron=crons(), place=places, skipped=st.integers(0, 2000))
def test_cron_ticks_when_the_wall_clock_first_shows_or_skips_the_time(cron, place, skipped):
    (expression, matches), (zone, start) = cron, place
    timing = Timing(cron=expression, timezone=zone)
    wanted = [tick for tick in ticks_of(zone, start, matches) if tick > start + skipped * MINUTE]
    found = rules.upcoming(timing, after=start + skipped * MINUTE, anchor=start, count=len(wanted))
    assert found == wanted
    span = (start, start + LENGTH - MINUTE)
    assert rules._newest(timing, since=span[0], until=span[1]) == ticks_of(zone, start, matches)[-200:]


@pytest.mark.parametrize(
    ("day", "wanted"),
    [
        # The clock goes from 02:00 to 03:00, then from 03:00 back to 02:00.
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_half_past_two_comes_once_on_both_days_of_a_clock_change(day, wanted):
    timing = Timing(cron="30 2 * * *", timezone="Europe/Berlin")
    assert rules.upcoming(timing, after=day, anchor=day, count=2) == [
        wanted,
        wanted.replace(hour=0 if wanted.month == 3 else 1, minute=30) + timedelta(days=1),
    ]


START = datetime(2026, 3, 29, tzinfo=UTC)


@settings(deadline=None)
@given(interval=st.integers(1, 5000), after=st.integers(-20_000, 20_000))
def test_an_interval_ticks_on_its_grid_and_never_drifts(interval, after):
    instant = START + timedelta(seconds=after)
    tick = rules.next_tick(Timing(interval_seconds=interval), after=instant, anchor=START)
    assert tick is not None
    assert (tick - START) % timedelta(seconds=interval) == timedelta()
    assert instant < tick <= instant + timedelta(seconds=interval)


clocks = st.tuples(st.integers(0, 23), st.integers(0, 59))


@settings(deadline=None, max_examples=40)
@given(place=places, begin=clocks, end=clocks, every=st.integers(1, 300))
def test_active_hours_open_and_close_when_the_wall_clock_first_says_so(place, begin, end, every):
    zone, start = place
    if begin == end:
        return
    local = start.astimezone(ZoneInfo(zone))
    is_open = begin <= (local.hour, local.minute) < end or (end < begin and not end <= (local.hour, local.minute) < begin)
    wanted = []
    for number, (instant, passed) in enumerate(minutes(zone, start)):
        for one in passed[bool(number == 0) :]:
            is_open = is_open or (one.hour, one.minute) == begin
            is_open = is_open and (one.hour, one.minute) != end
        if is_open and number % every == 0:
            wanted.append(instant)
    hours = f"{begin[0]:02}:{begin[1]:02}-{end[0]:02}:{end[1]:02}"
    timing = Timing(interval_seconds=every * 60, timezone=zone, active_hours=hours)
    found = rules.upcoming(timing, after=start - rules.INSTANT, anchor=start, count=len(wanted))
    assert found == wanted
    assert rules._newest(timing, since=start, until=start + LENGTH - MINUTE) == wanted[-200:]


def test_active_hours_over_midnight_are_open_at_night():
    timing = Timing(cron="0 * * * *", active_hours="22:00-02:00")
    found = rules.upcoming(timing, after=datetime(2026, 5, 1, 12, tzinfo=UTC), anchor=START, count=5)
    assert [tick.hour for tick in found] == [22, 23, 0, 1, 22]


def test_a_schedule_that_never_ticks_says_so():
    for timing in (Timing(cron="0 0 30 2 *"), Timing(cron="0 3 * * *", active_hours="09:00-17:00")):
        assert rules.next_tick(timing, after=START, anchor=START) is None
        assert rules.following(timing, after=START, anchor=START, jitter=0.5) == (None, None)


@pytest.mark.parametrize(
    "bad", ["* * * *", "* * * * * *", "61 * * * *", "h * * * *", "r 0 * * *", "0 R(1-5) * * *", "@daily", ""]
)
def test_a_cron_expression_that_is_none_is_refused(bad):
    assert rules.fault_of_cron(bad)


@pytest.mark.parametrize("good", ["*/5 * * * *", "0 9 * * mon-fri", "0 0 1 mar *", "0 0 l * *", "5 4 * * thu"])
def test_a_cron_expression_is_accepted(good):
    assert rules.fault_of_cron(good) is None


@pytest.mark.parametrize("bad", ["9-17", "09:00-09:00", "24:00-01:00", "09:00-17:60", "09:00-17:00 "])
def test_hours_that_are_none_are_refused(bad):
    assert rules.fault_of_hours(bad)


timings = st.builds(
    Timing,
    interval_seconds=st.integers(1, 400),
    misfire=st.sampled_from(Misfire),
    catch_up_most=st.integers(1, 100),
    jitter_seconds=st.integers(0, 600),
)


@settings(deadline=None)
@given(timing=timings, late=st.integers(0, 4000), jitter=st.floats(0, 1, exclude_max=True))
def test_what_fires_is_what_the_policy_says_of_the_ticks_that_are_due(timing, late, jitter):
    now = START + timedelta(seconds=late)
    step = timedelta(seconds=timing.interval_seconds)
    due = [START + number * step for number in range(late // timing.interval_seconds + 1)][-200:]
    on_time = [due[-1]] if now - due[-1] <= GRACE + timedelta(seconds=timing.jitter_seconds) else []
    missed = [tick for tick in due if tick not in on_time]
    wanted = {
        Misfire.SKIP: on_time,
        Misfire.RUN_ONCE: [due[-1]],
        Misfire.CATCH_UP: missed[-timing.catch_up_most :] + on_time,
    }[timing.misfire]
    plan = rules.plan(timing, next_at=START, now=now, jitter=jitter)
    assert list(plan.fire) == wanted
    assert plan.missed == len(due) - len(wanted)
    assert plan.next_at == START + (late // timing.interval_seconds + 1) * step
    assert plan.fires_at is not None
    room = min(step, timedelta(seconds=timing.jitter_seconds))
    assert plan.next_at <= plan.fires_at <= plan.next_at + max(room - rules.INSTANT, timedelta())


@given(timing=timings, pauses=st.lists(st.integers(0, 900), min_size=1, max_size=30))
@settings(deadline=None)
def test_no_tick_fires_twice_and_none_before_its_time(timing, pauses):
    now, next_at, fires_at, fired = START, START, START, list[datetime]()
    for pause in pauses:
        now = max(now + timedelta(seconds=pause), fires_at)
        plan = rules.plan(timing, next_at=next_at, now=now, jitter=0.9)
        assert all(tick <= now for tick in plan.fire)
        fired += plan.fire
        assert plan.next_at is not None
        assert plan.fires_at is not None
        assert plan.next_at > now
        next_at, fires_at = plan.next_at, plan.fires_at
    assert all(first < second for first, second in pairwise(fired))
