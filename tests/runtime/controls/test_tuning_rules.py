import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.rules.profiles import PROFILES
from app.runtime.rules.tuning import BOUNDS, SWITCHES, TUNABLE, faults, merged, shown, tuned

NAME = st.sampled_from(sorted(PROFILES))
NUMBER = st.integers(-10, 10**6) | st.floats(-10, 10**6, allow_nan=False)
VALUE = NUMBER | st.booleans() | st.text(max_size=3)
CHANGES = st.dictionaries(st.sampled_from([*TUNABLE, "name", "retry_on"]), VALUE, max_size=4)


@given(NAME, CHANGES)
def test_whatever_is_stored_a_profile_stays_within_its_bounds(name, changes):
    profile = tuned(name, changes)
    for field, (least, most) in BOUNDS.items():
        assert least <= getattr(profile, field) <= most
    assert profile.base <= profile.cap
    assert profile.timeout <= profile.total
    assert all(isinstance(getattr(profile, field), bool) for field in SWITCHES)


@given(NAME, CHANGES)
def test_only_what_was_asked_for_differs(name, changes):
    before, after = PROFILES[name], tuned(name, changes)
    taken = {} if faults(name, changes) else changes
    assert after.name == name
    for field in TUNABLE:
        assert getattr(after, field) == taken.get(field, getattr(before, field))
    assert (after.retry_on, after.waits_on, after.needs_approval) == (before.retry_on, before.waits_on, before.needs_approval)


@given(NAME)
def test_every_built_in_profile_keeps_to_the_bounds(name):
    assert faults(name, shown(PROFILES[name])) == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"attempts": 0}, "attempts"),
        ({"attempts": 21}, "attempts"),
        ({"attempts": 2.5}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"timeout": 0.5}, "timeout"),
        ({"base": 0.01}, "base"),
        ({"factor": 11}, "factor"),
        ({"dead_letter": 1}, "dead_letter"),
        ({"base": 400}, "cap"),
        ({"timeout": 3600, "total": 60}, "total"),
        ({"retry_on": []}, "retry_on"),
    ],
)
def test_a_change_out_of_bounds_names_its_field(changes, field):
    assert set(faults("standard_async", changes)) == {field}


def test_null_takes_a_change_back():
    assert merged({"attempts": 3, "cap": 9.0}, {"cap": None, "base": 2.0}) == {"attempts": 3, "base": 2.0}
