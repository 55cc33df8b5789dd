from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runtime.rules.breakers import Breaker, Limits, Pass, Probe, Refuse, admit, failed, is_illness, probing, succeeded
from app.runtime.types import BreakerState, ErrorClass

START = datetime(2030, 1, 1, tzinfo=UTC)
LIMITS = Limits(failures=3, seconds=60)
PROBE_SECONDS = 20.0


def at(seconds):
    return START + timedelta(seconds=seconds)


def after_failures(*moments):
    breaker = Breaker()
    for moment in moments:
        breaker = failed(breaker, now=at(moment), limits=LIMITS, is_probe=False)
    return breaker


def test_it_opens_after_so_many_failures_within_the_window_and_no_earlier():
    assert after_failures(0, 1).state is BreakerState.CLOSED
    opened = after_failures(0, 1, 2)
    assert (opened.state, opened.opened_at, opened.retry_at) == (BreakerState.OPEN, at(2), at(62))


def test_failures_that_lie_further_apart_than_the_window_do_not_add_up():
    assert after_failures(0, 1, 61).failures == 1
    assert after_failures(0, 61, 122, 183).state is BreakerState.CLOSED


def test_a_success_forgets_the_failures_before_it():
    assert succeeded(after_failures(0, 1), is_probe=False) == Breaker()


def test_while_it_is_open_nobody_calls_and_then_one_probes():
    opened = after_failures(0, 1, 2)
    assert admit(opened, now=at(2)) == Refuse(60.0)
    assert admit(opened, now=at(61.5)) == Refuse(0.5)
    assert admit(opened, now=at(62)) == Probe()
    half = probing(opened, now=at(62), timeout=PROBE_SECONDS)
    assert admit(half, now=at(63)) == Refuse(5.0)
    assert admit(half, now=at(81)) == Refuse(1.0)


def test_a_probe_that_never_comes_back_is_replaced():
    half = probing(after_failures(0, 1, 2), now=at(62), timeout=PROBE_SECONDS)
    assert admit(half, now=at(82)) == Probe()


def test_the_probe_decides_and_those_that_began_before_do_not():
    half = probing(after_failures(0, 1, 2), now=at(62), timeout=PROBE_SECONDS)
    assert succeeded(half, is_probe=False) == half
    assert failed(half, now=at(63), limits=LIMITS, is_probe=False) == half
    assert succeeded(half, is_probe=True) == Breaker()
    again = failed(half, now=at(63), limits=LIMITS, is_probe=True)
    assert (again.state, again.retry_at) == (BreakerState.OPEN, at(123))


@pytest.mark.parametrize("error", ErrorClass)
def test_what_the_dependency_says_about_the_request_is_no_illness(error):
    ill = {ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT, ErrorClass.RATE_LIMITED}
    assert is_illness(error) == (error in ill)


@dataclass
class World:
    """Many callers of one dependency, on a clock of their own."""

    breaker: Breaker = field(default_factory=Breaker)
    now: float = 0.0
    probe: int = 0
    calls: list[tuple[bool, int]] = field(default_factory=list)
    began: list[tuple[float, bool]] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)

    def call(self):
        match admit(self.breaker, now=at(self.now)):
            case Pass():
                assert self.breaker.state is BreakerState.CLOSED
                self.calls.append((False, 0))
            case Probe():
                self.probe += 1
                self.breaker = probing(self.breaker, now=at(self.now), timeout=PROBE_SECONDS)
                self.calls.append((True, self.probe))
                self.began.append((self.now, True))
            case Refuse(retry_after):
                assert self.breaker.state is not BreakerState.CLOSED
                assert 0 < retry_after <= max(LIMITS.seconds, PROBE_SECONDS)

    def end(self, place, is_failure):
        if not self.calls:
            return
        is_probe, number = self.calls.pop(place % len(self.calls))
        holds = is_probe and number == self.probe and self.breaker.state is BreakerState.HALF_OPEN
        before = self.breaker.state
        if is_failure:
            self.breaker = failed(self.breaker, now=at(self.now), limits=LIMITS, is_probe=holds)
        else:
            self.breaker = succeeded(self.breaker, is_probe=holds)
        if self.breaker.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            self.opened.append(self.now)
        if before is not BreakerState.CLOSED and not holds:
            assert self.breaker.state is before


STEPS = st.lists(
    st.tuples(st.just("wait"), st.floats(0, 40), st.booleans())
    | st.tuples(st.just("call"), st.integers(0, 9), st.booleans())
    | st.tuples(st.just("end"), st.integers(0, 9), st.booleans()),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_whatever_happens_probes_are_apart_and_an_open_breaker_rests(steps):
    world = World()
    for what, number, is_failure in steps:
        if what == "wait":
            world.now += number
        elif what == "call":
            world.call()
        else:
            world.end(number, is_failure)
    probes = [moment for moment, _ in world.began]
    for opened in world.opened:
        assert not any(opened < probe < opened + LIMITS.seconds - 1e-3 for probe in probes)
    state = world.breaker
    assert (state.state is BreakerState.CLOSED) == (state.retry_at is None)
    assert state.state is not BreakerState.CLOSED or state.failures < LIMITS.failures
