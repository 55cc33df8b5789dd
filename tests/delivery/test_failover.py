"""What follows a call that brought no answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.failures import FailOver, GiveUp, Retry, after_failure
from app.delivery.profiles import ERRORS
from app.delivery.types.runs import FailureClass
from app.runtime.rules.profiles import NEVER_RETRIED, PROFILES

WAITS, COUNTS = Retry(waits=True), Retry(waits=False)


@pytest.mark.parametrize(
    ("failure", "alone", "with_next"),
    [
        (FailureClass.UNAVAILABLE, WAITS, WAITS),
        (FailureClass.TIMEOUT, WAITS, WAITS),
        (FailureClass.RATE_LIMITED, WAITS, FailOver()),
        (FailureClass.QUOTA, WAITS, FailOver()),
        (FailureClass.FORMAT, COUNTS, COUNTS),
        (FailureClass.AUTH, GiveUp(), FailOver()),
        (FailureClass.REFUSED, GiveUp(), FailOver()),
    ],
)
def test_each_class_has_its_consequence(failure, alone, with_next):
    assert after_failure(failure, may_have_arrived=True, has_next=False) == alone
    assert after_failure(failure, may_have_arrived=True, has_next=True) == with_next


def test_what_never_arrived_is_given_to_the_next_at_once():
    assert after_failure(FailureClass.UNAVAILABLE, may_have_arrived=False, has_next=True) == FailOver()


def test_the_second_failure_of_a_kind_that_may_pass_goes_on_to_the_next():
    for failure in (FailureClass.UNAVAILABLE, FailureClass.TIMEOUT, FailureClass.FORMAT):
        assert after_failure(failure, may_have_arrived=True, has_next=True, tries=2) == FailOver()


def test_a_limit_that_says_when_it_ends_is_waited_for():
    def after(failure, seconds):
        return after_failure(failure, may_have_arrived=True, has_next=True, retry_after=seconds)

    assert after(FailureClass.QUOTA, 3_600.0) == Retry(waits=True, after=3_600.0)
    assert after(FailureClass.RATE_LIMITED, 7.0) == Retry(waits=True, after=7.0)
    assert after(FailureClass.RATE_LIMITED, 3_600.0) == FailOver()


def test_what_waits_uses_up_no_attempt_of_the_command():
    for failure, error in ERRORS.items():
        after = after_failure(failure, may_have_arrived=True, has_next=False)
        assert (error in PROFILES["delivery"].waits_on) is (isinstance(after, Retry) and after.waits)
        assert (error in NEVER_RETRIED) is isinstance(after, GiveUp)


@given(st.sampled_from(FailureClass), st.booleans(), st.booleans(), st.none() | st.floats(0, 1e6), st.integers(1, 100))
def test_there_is_always_a_way_on(failure, may_have_arrived, has_next, retry_after, tries):
    facts = {"may_have_arrived": may_have_arrived, "retry_after": retry_after, "tries": tries}
    after = after_failure(failure, has_next=has_next, **facts)
    if not has_next:
        assert not isinstance(after, FailOver)
    else:
        # Nobody is given up while another profile could be tried.
        assert not isinstance(after, GiveUp)
    if isinstance(after, Retry) and failure is not FailureClass.FORMAT:
        assert after.waits
