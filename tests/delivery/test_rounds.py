"""The pure parts of a run: keys, order and memory of its rounds."""

from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.agents.types import Adapter
from app.delivery import profiles, rounds, tooling
from app.delivery.rounds import CALLS_MOST, FAILED_OVER_SHOWN, Done, FailedOver, Round
from app.delivery.types.runs import Ask, ParsedAnswer, Profile, ToolCall
from app.runtime.closings import Failure
from app.runtime.types import ErrorClass

ID = UUID(int=7)
small = st.integers(0, 40)


def made(**fields):
    known: dict[str, Any] = {
        "ask": 0,
        "number": 0,
        "profile": "default",
        "adapter": Adapter.RESPONSES,
        "request": b"{}",
        "sends": 1,
    }
    return Round(**(known | fields))


def tried(number):
    return (FailedOver(profile="default", reason="quota", number=number, sends=1),) if number else ()


places = st.tuples(small, small, small, small)


@given(places, places)
def test_two_askings_rounds_profiles_or_replays_never_share_a_key(one, other):
    keys = [
        rounds.key(ID, made(ask=ask, number=number, failed_over=tried(elsewhere)), spent=spent)
        for ask, number, elsewhere, spent in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)
    assert all(key.startswith(str(ID)) for key in keys)


@given(st.tuples(small, small, small), st.tuples(small, small, small))
def test_two_calls_never_share_a_key(one, other):
    keys = [rounds.key_of_call(ID, made(ask=ask, number=number), index) for ask, number, index in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(st.integers(1, 60))
def test_each_move_to_another_profile_takes_a_new_key_and_begins_to_count_anew(times):
    one, keys = made(), {rounds.key(ID, made(), spent=0)}
    for number in range(1, times + 1):
        one = rounds.moved_on(one, to=f"p{number}", adapter=Adapter.CHAT, request=b"x", reason="quota")
        keys.add(rounds.key(ID, one, spent=0))
        assert (one.profile, one.tries, one.failed_over[-1].number) == (f"p{number}", 1, number)
        one = msgspec.structs.replace(one, sends=one.sends + 2)
        assert one.tries == 3
    assert len(keys) == times + 1
    assert len(one.failed_over) == min(times, FAILED_OVER_SHOWN)


calls = st.lists(st.builds(ToolCall, st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5), st.text(max_size=9)))


@given(calls, st.text(max_size=9), st.data())
def test_a_run_that_goes_on_elsewhere_asks_what_it_would_have_asked(wanted, text, data):
    parsed = ParsedAnswer(text, {}, tuple(wanted))
    results = [Done(status=data.draw(st.sampled_from([200, 422])), output=data.draw(st.text(max_size=9))) for _ in wanted]
    row = {
        "round": 0,
        "profile": "default",
        "adapter": "responses",
        "request": None,
        "sends": 3,
        "failed_over": msgspec.json.encode(tried(2)).decode(),
        "answer": b"{}",
        "answer_status": 200,
        "answer_type": "application/json",
        "results": msgspec.json.encode(results).decode(),
    }
    (again,) = rounds.restored([row], ask=1)
    prompt = msgspec.json.encode(Ask(instructions="Be brief.", input="Hello."))
    here = rounds.asked(prompt, [rounds.exchange(parsed, results)])
    assert here == rounds.asked(prompt, [rounds.exchange(parsed, again.results)])
    assert [(one.call_id, one.output, one.is_error) for one in here.exchanges[0].results] == [
        (call.call_id, done.output, done.status == 422) for call, done in zip(wanted, results, strict=True)
    ]


def test_of_far_too_many_calls_the_last_one_stands_for_the_rest():
    wanted = tuple(ToolCall(str(number), "task_load", "{}") for number in range(10_000))
    assert len(rounds.heeded(ParsedAnswer("", {}, wanted))) == CALLS_MOST + 1


@given(st.text(max_size=200), st.integers(1, 100))
def test_a_cut_text_says_so_and_keeps_its_beginning(text, limit):
    found = tooling.cut(text, limit)
    assert found == text if len(text) <= limit else found.startswith(text[:limit]) and f"{limit} of {len(text)}" in found


names = st.lists(st.sampled_from("abcde"), min_size=1, max_size=5, unique=True)


@given(names, st.sampled_from("abcdex"))
def test_each_profile_is_tried_once_and_first_the_one_that_was_asked_last(known, last):
    those = [Profile(name=name, adapter=Adapter.RESPONSES) for name in known]
    order = [one.name for one in profiles.order(those, name=last, adapter=Adapter.RESPONSES)]
    assert sorted(order) == sorted(known)
    assert order[0] == (last if last in known else known[0])


failures = st.lists(
    st.builds(
        Failure,
        error=st.sampled_from(profiles.HOPE),
        message=st.just("x"),
        retry_after=st.one_of(st.none(), st.integers(0, 900).map(float)),
    ),
    min_size=1,
)


@given(failures)
def test_when_all_profiles_fail_what_passes_by_itself_is_waited_for_and_no_longer_than_needed(failed):
    found = profiles.outcome(failed)
    passing = [one for one in failed if one.error in profiles.PASSING]
    if not passing:
        assert found.error in {ErrorClass.TRANSIENT, ErrorClass.AUTH, ErrorClass.VALIDATION}
        return
    assert found.error in profiles.PASSING
    waits = [one.retry_after for one in passing]
    assert found.retry_after == (None if None in waits else min(waits))
