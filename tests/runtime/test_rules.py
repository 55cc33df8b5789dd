from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.rules.lifecycle import MOVES, may_move
from app.runtime.rules.profiles import LONGEST_WAIT_IN_CAPS, MOST_LOST, NEVER_RETRIED, PROFILES, profile_of, verdict
from app.runtime.rules.sharing import PRIORITY_WEIGHTS, share_of_lanes, shares
from app.runtime.types import CommandState, ErrorClass, GiveUp, RetryAt

profiles = st.sampled_from(list(PROFILES.values()))
errors = st.sampled_from(list(ErrorClass))
jitters = st.floats(0, 1, exclude_max=True)
facts = st.fixed_dictionaries(
    {
        "error": errors,
        "budget_used": st.integers(1, 2000),
        "lost": st.integers(0, 10),
        "expired": st.booleans(),
        "retry_after": st.none() | st.floats(0, 1e9),
        "waited": st.integers(0, 10_000),
        "jitter": jitters,
    }
)
CALM: dict[str, Any] = {"budget_used": 1, "lost": 0, "expired": False, "retry_after": None, "waited": 0, "jitter": 0.5}


@given(profiles, facts)
def test_a_delay_is_never_negative_nor_beyond_the_cap(profile, known):
    decision = verdict(profile, **known)
    if isinstance(decision, RetryAt):
        longest = profile.cap if decision.counts else profile.cap * LONGEST_WAIT_IN_CAPS
        assert 0 <= decision.delay <= longest


@given(profiles, facts)
def test_what_counts_ends_when_the_budget_is_used(profile, known):
    decision = verdict(profile, **known)
    if isinstance(decision, RetryAt) and decision.counts:
        assert known["budget_used"] < profile.attempts


@given(profiles, facts, st.sampled_from(sorted(NEVER_RETRIED)))
def test_what_can_never_work_is_never_retried(profile, known, error):
    assert isinstance(verdict(profile, **known | {"error": error}), GiveUp)


@given(profiles, facts)
def test_an_expired_command_is_given_up(profile, known):
    assert isinstance(verdict(profile, **known | {"expired": True}), GiveUp)


@given(profiles, facts)
def test_the_end_is_a_dead_letter_unless_the_profile_says_drop(profile, known):
    decision = verdict(profile, **known | {"expired": True})
    assert decision == GiveUp(CommandState.DEAD_LETTERED if profile.dead_letter else CommandState.FAILED_TERMINAL)


@given(profiles, facts)
def test_a_dead_worker_is_counted_apart(profile, known):
    decision = verdict(profile, **known | {"error": ErrorClass.WORKER_LOST})
    may_go_on = ErrorClass.WORKER_LOST in profile.retry_on and known["lost"] <= MOST_LOST and not known["expired"]
    assert decision == RetryAt(0.0, counts=False) if may_go_on else isinstance(decision, GiveUp)


@given(facts, st.sampled_from([ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT, ErrorClass.RATE_LIMITED]))
def test_a_delivery_waits_for_its_endpoint_until_it_expires(known, error):
    decision = verdict(PROFILES["delivery"], **known | {"error": error, "expired": False})
    assert isinstance(decision, RetryAt)
    assert not decision.counts


@given(jitters, st.integers(1, 4))
def test_backoff_is_full_jitter_that_doubles(jitter, used):
    decision = verdict(
        PROFILES["standard_async"], **CALM | {"error": ErrorClass.TRANSIENT, "jitter": jitter, "budget_used": used}
    )
    assert decision == RetryAt(jitter * 2 ** (used - 1), counts=True)


def test_the_endpoint_says_when_within_the_cap():
    said = {"error": ErrorClass.RATE_LIMITED}
    standard = PROFILES["standard_async"]
    assert verdict(standard, **CALM | said | {"retry_after": 7.0}) == RetryAt(7.0, counts=True)
    assert verdict(standard, **CALM | said | {"retry_after": 9_999.0}) == RetryAt(300, counts=True)
    assert verdict(PROFILES["delivery"], **CALM | said | {"retry_after": 900.0}) == RetryAt(900.0, counts=False)
    assert verdict(PROFILES["delivery"], **CALM | said | {"retry_after": 1e6}) == RetryAt(3600, counts=False)


def test_a_delivery_has_three_answers():
    silent = CALM | {"error": ErrorClass.NO_ANSWER}
    kinds = [type(verdict(PROFILES["delivery"], **silent | {"budget_used": used})) for used in (1, 2, 3)]
    assert kinds == [RetryAt, RetryAt, GiveUp]


def test_an_unknown_profile_is_the_usual_one():
    assert profile_of("from_the_future") is PROFILES["standard_async"]


def test_every_state_has_its_moves_and_ends_are_ends():
    assert set(MOVES) == set(CommandState)
    assert {state for state, moves in MOVES.items() if not moves} == {CommandState.SUCCEEDED, CommandState.CANCELED}
    assert may_move(CommandState.RETRY_SCHEDULED, to=CommandState.RUNNING)
    assert not may_move(CommandState.DEAD_LETTERED, to=CommandState.QUEUED)
    assert not may_move(CommandState.RUNNING, to=CommandState.DEAD_LETTERED)


actives = st.frozensets(st.sampled_from(sorted(PRIORITY_WEIGHTS)))


@given(st.integers(1, 200), actives, st.integers(0, 1000))
def test_shares_fill_the_slots_exactly(free, active, turn):
    given_out = shares(free, active=active, turn=turn)
    assert sum(given_out.values()) == free
    assert min(given_out.values()) >= 0
    if active and free > len(PRIORITY_WEIGHTS):
        assert all(given_out[prio] > 0 for prio in set(PRIORITY_WEIGHTS) - active)


@given(st.integers(1, 3), actives)
def test_every_class_gets_its_turn_even_with_one_slot(free, active):
    got = {prio for turn in range(64) for prio, many in shares(free, active=active, turn=turn).items() if many}
    assert got == set(PRIORITY_WEIGHTS)


def test_busy_classes_share_by_weight():
    everyone = frozenset(PRIORITY_WEIGHTS)
    totals = dict.fromkeys(PRIORITY_WEIGHTS, 0)
    for turn in range(15):
        for prio, many in shares(1, active=everyone, turn=turn).items():
            totals[prio] += many
    assert totals == PRIORITY_WEIGHTS


@given(st.integers(1, 200), st.booleans(), st.booleans())
def test_lanes_and_commands_both_get_their_turn(free, lanes, commands):
    given_out = [share_of_lanes(free, lanes=lanes, commands=commands, turn=turn) for turn in range(8)]
    assert all(0 <= many <= free for many in given_out)
    assert max(given_out) > 0
    assert min(given_out) < free
