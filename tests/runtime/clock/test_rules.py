"""How a simulated clock moves, whatever is due."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.rules.clock import Arrived, ClockFacts, MoveTo, Wait, step

ZERO = datetime(2031, 1, 1, tzinfo=UTC)
moments = st.integers(-1_000, 1_000).map(lambda seconds: ZERO + timedelta(seconds=seconds))
facts = st.builds(ClockFacts, now=moments, due=st.none() | moments, is_running=st.booleans())


@given(facts, moments)
def test_the_clock_moves_only_when_all_is_quiet_and_only_forward(seen, target):
    move = step(seen, target=target)
    if isinstance(move, MoveTo):
        assert seen.is_quiet
        assert seen.now < move.at <= target


@given(facts, moments)
def test_nothing_that_is_due_before_the_target_is_passed_by(seen, target):
    move = step(seen, target=target)
    if isinstance(move, MoveTo) and seen.due is not None:
        assert move.at <= seen.due


@given(facts, moments)
def test_the_target_is_reached_only_with_nothing_left_to_do(seen, target):
    assert (step(seen, target=target) == Arrived()) == (seen.is_quiet and seen.now >= target)
    assert (step(seen, target=target) == Wait()) == (not seen.is_quiet)


@given(st.lists(moments.filter(lambda at: at > ZERO)), moments.filter(lambda at: at > ZERO))
def test_each_due_instant_is_stopped_at_once_and_in_order(due, target):
    now, stops = ZERO, []
    while True:
        later = [at for at in due if at > now]
        move = step(ClockFacts(now=now, due=min(later, default=None), is_running=False), target=target)
        if not isinstance(move, MoveTo):
            break
        now = move.at
        stops.append(now)
    assert stops == sorted({at for at in due if at < target} | {target})
