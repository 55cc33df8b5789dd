"""When agents are woken: their own times, spread over the crew, and pauses that grow while nothing changes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents import rules
from app.agents.types import WakeOutcome

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTES = st.integers(1, 1440)
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
IDS = st.uuids()
SLUGS = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
MARKS = st.dictionaries(IDS, st.sampled_from("abc"), max_size=5)


@given(SLUGS, MINUTES, MOMENTS)
def test_an_agent_has_one_time_in_each_interval_whoever_asks_and_when(slug, minutes, after):
    at = rules.slot("crew", slug, minutes, after=after)
    step = timedelta(minutes=minutes)
    assert after < at <= after + step + min(timedelta(seconds=rules.JITTER_MOST), step / rules.JITTER_SHARE)
    assert rules.slot("crew", slug, minutes, after=after + (at - after) / 2) == at
    following = rules.slot("crew", slug, minutes, after=at)
    assert abs(following - at - step) < min(timedelta(seconds=rules.JITTER_MOST), step / rules.JITTER_SHARE) + timedelta(
        seconds=1
    )


def test_a_quarter_of_an_hour_is_never_more_than_sixteen_minutes_away():
    for number in range(2_000):
        assert rules.slot("crew", f"agent-{number}", 15, after=NOW) < NOW + timedelta(minutes=16)


def test_a_large_crew_is_spread_over_the_interval():
    minutes = Counter(
        int((rules.slot("crew", f"agent-{number}", 15, after=NOW) - NOW).total_seconds() // 60) for number in range(1_500)
    )
    assert max(minutes.values()) < 150
    assert all(minutes[minute] > 50 for minute in range(15))


def test_agents_of_one_name_in_many_accounts_are_not_woken_together():
    assert len({rules.slot(f"crew-{number}", "engineer", 15, after=NOW) for number in range(100)}) > 80


@given(MINUTES, st.integers(0, 100))
def test_pauses_double_up_to_four_hours_and_are_never_shorter_than_the_interval(minutes, pauses):
    found = rules.pause(minutes, pauses)
    assert timedelta(minutes=minutes) <= found < rules.LONGEST_PAUSE + timedelta(minutes=minutes)
    assert found <= rules.pause(minutes, pauses + 1)


def test_the_pauses_of_a_quarter_of_an_hour():
    assert [rules.pause(15, number) / timedelta(minutes=1) for number in range(6)] == [30, 60, 120, 240, 240, 240]


def look(marks, shown, *, pauses=0, ago=timedelta(), minutes=15):
    return rules.look(marks, shown=shown, pauses=pauses, woken_at=NOW - ago, minutes=minutes, now=NOW)


@given(MARKS, st.integers(0, 20), st.timedeltas(timedelta(), DAY))
def test_nothing_to_do_wakes_nobody_however_long_it_lasts(shown, pauses, ago):
    found = look({}, shown, pauses=pauses, ago=ago)
    assert (found.outcome, found.pauses) == (WakeOutcome.NOTHING_TO_DO, pauses)


@given(MARKS.filter(bool), MARKS, st.integers(0, 20), st.timedeltas(timedelta(), DAY))
def test_any_change_wakes_once_in_an_interval_and_ends_the_pauses(marks, shown, pauses, ago):
    found = look(marks, shown, pauses=pauses, ago=ago)
    fresh = {each for each in marks if shown.get(each) != marks[each]}
    if fresh and ago < rules.at_least(15):
        assert (found.outcome, found.until) == (WakeOutcome.TOO_SOON, NOW - ago + rules.at_least(15))
    elif fresh:
        assert (found.outcome, found.pauses, found.fresh) == (WakeOutcome.WOKEN, 0, fresh)
    else:
        assert found.outcome in {WakeOutcome.WOKEN, WakeOutcome.UNCHANGED}


@given(MARKS.filter(bool), MARKS, st.data())
def test_what_was_shown_and_did_not_change_is_no_news(marks, shown, data):
    listed = data.draw(st.sets(st.sampled_from(sorted(marks)), max_size=len(marks)))
    after = rules.remembered(marks, shown=shown, listed=listed)
    assert after.items() <= marks.items()
    assert {each for each in marks if after.get(each) != marks[each]} == {
        each for each in marks if each not in listed and shown.get(each) != marks[each]
    }


@given(SLUGS, st.integers(5, 240))
@settings(max_examples=25)
def test_a_stuck_agent_is_woken_a_few_times_a_day_and_in_ever_longer_pauses(slug, minutes):
    marks, shown, pauses, woken = {UUID(int=1): "1"}, dict[UUID, str](), 0, list[datetime]()
    now = NOW
    while now < NOW + 2 * DAY:
        now = rules.slot("crew", slug, minutes, after=now)
        found = rules.look(marks, shown=shown, pauses=pauses, woken_at=woken[-1] if woken else None, minutes=minutes, now=now)
        pauses = found.pauses
        if found.outcome is WakeOutcome.WOKEN:
            woken.append(now)
            shown = rules.remembered(marks, shown=shown, listed=set(marks))
    gaps = [later - sooner for sooner, later in pairwise(woken)]
    assert all(later >= sooner - timedelta(minutes=2) for sooner, later in pairwise(gaps))
    assert sum(at >= NOW + DAY for at in woken) <= 7
