from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.counts import MOST_KINDS, OTHER, SECONDS, Counts, Durations


def claim(name):
    return SimpleNamespace(type=name, profile="standard_async", late=-0.5)


@given(st.lists(st.floats(0, 1000)))
def test_every_duration_falls_into_one_bucket(seconds):
    durations = Durations()
    for each in seconds:
        durations.add(each)
    assert durations.count == len(seconds)
    for place, bound in enumerate(SECONDS):
        assert sum(durations.buckets[: place + 1]) == sum(each <= bound for each in seconds)


def test_kinds_stay_few_whatever_is_stored():
    counts = Counts()
    counts.claimed([claim(f"test.n{number}") for number in range(3 * MOST_KINDS)])
    counts.claimed([claim("test.n0")])
    assert len(counts.claims) == MOST_KINDS + 1
    assert counts.claims[OTHER] == 2 * MOST_KINDS
    assert counts.claims["test.n0", "standard_async"] == 2
    assert counts.late["test.n0", "standard_async"].total == 0
