from hypothesis import given
from hypothesis import strategies as st

from app.runtime.rules.insight import IMPROVEMENTS, OBJECTIVES, Standing, improvement, reprocessing, share, standing

amounts = st.integers(0, 10**6)


@given(st.sampled_from(OBJECTIVES), st.floats(0, 1e6))
def test_an_objective_is_kept_on_its_own_side_of_the_bound(objective, value):
    keeps = value >= objective.bound if objective.is_floor else value <= objective.bound
    assert standing(objective, value) is (Standing.OK if keeps else Standing.BREACH)


def test_without_data_nothing_is_claimed():
    assert {standing(objective, None) for objective in OBJECTIVES} == {Standing.NO_DATA}
    assert share(0, 0) is None
    assert reprocessing(attempts=0, commands=0) is None


@given(st.integers(1, 1000), amounts)
def test_reprocessing_is_what_attempts_exceed_commands(commands, more):
    found = reprocessing(attempts=commands + more, commands=commands)
    assert found is not None
    assert round(found * commands / 100) == more


@given(st.sampled_from(sorted(IMPROVEMENTS)), st.floats(0.1, 1e6), st.floats(0, 1))
def test_an_improvement_is_reached_when_the_number_fell_enough(name, before, fallen):
    part, reached = improvement(name, before=before, now=before * (1 - fallen))
    assert part is not None
    assert abs(part - fallen) < 1e-6
    assert reached == (part >= IMPROVEMENTS[name])


def test_a_baseline_of_nothing_compares_with_nothing():
    assert improvement("mttr_seconds", before=0, now=5) == (None, None)
    assert improvement("mttr_seconds", before=None, now=5) == (None, None)
    assert improvement("start_p95_seconds", before=2, now=1) == (0.5, None)
