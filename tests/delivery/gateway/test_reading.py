"""Whatever comes back: read it is an answer or a GatewayError, and never half of one."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.types import Adapter
from app.delivery.gateway.chat import Chat
from app.delivery.gateway.contract import Gateway
from app.delivery.gateway.events import Events, data_of
from app.delivery.gateway.peers import Peers
from app.delivery.gateway.process import Processes
from app.delivery.gateway.responses import Responses
from app.delivery.gateway.scripted import Scripted
from app.delivery.gateway.words import failure_in, retry_after_in
from app.delivery.types.runs import FailureClass, GatewayError, ParsedAnswer, RawAnswer
from tests.delivery.gateway import outsides
from tests.delivery.gateway.kit import CALL, Says

NOBODY: Any = None
ADAPTERS: tuple[Gateway, ...] = (Responses(NOBODY), Chat(NOBODY), Processes(None), Peers(), Scripted())
TYPES = st.sampled_from(["application/json", "text/plain", "text/event-stream", "text/html", "", "application/json; charset=x"])
NAMES = st.sampled_from(
    [
        "output",
        "text",
        "content",
        "type",
        "message",
        "choices",
        "delta",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "index",
        "usage",
        "finish_reason",
        "error",
        "code",
        "status",
        "response",
        "item",
        "call_id",
        "input_tokens",
        "prompt_tokens",
        "cost_usd",
        "cost",
        "model",
        "role",
        "incomplete_details",
        "reason",
        "refusal",
    ]
)
WORDS = st.sampled_from(
    [
        "message",
        "function_call",
        "response.completed",
        "response.output_item.done",
        "response.failed",
        "error",
        "stop",
        "length",
        "completed",
        "output_text",
        "reasoning",
        "tool_calls",
        "NaN",
        "1e999",
        "-1",
        "\x00",
        "�",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=25
)


def whole(value) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def streamed(values) -> bytes:
    return b"".join(b"data: " + whole(value) + b"\r\n\r\n" for value in values) + b"data: [DONE]\n\n"


BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(whole),
    st.lists(VALUES, max_size=4).map(streamed),
    VALUES.map(lambda value: whole(value)[:-1]),
)


def check(answer: ParsedAnswer) -> None:
    assert isinstance(answer.text, str)
    assert "\0" not in answer.text
    assert all(type(count) is int and count >= 0 for count in answer.usage.values())
    assert answer.cost_usd is None or (answer.cost_usd.is_finite() and answer.cost_usd >= 0)
    for call in answer.tool_calls:
        assert call.call_id
        assert call.name
        assert isinstance(call.arguments, str)


@settings(max_examples=150)
@given(BODIES, TYPES)
def test_any_bytes_are_an_answer_or_a_gateway_error(body, content_type):
    for adapter in ADAPTERS:
        raw = RawAnswer(200, content_type, body)
        with suppress(GatewayError):
            first = adapter.read(raw)
            check(first)
            assert adapter.read(raw) == first


def outcome(gateway, body):
    try:
        answer = gateway.read(RawAnswer(200, "text/event-stream", body))
    except GatewayError as error:
        return error.failure
    return answer.text, answer.tool_calls


@pytest.mark.parametrize("world", [outsides.StreamedResponsesWorld, outsides.StreamedChatWorld])
@pytest.mark.parametrize("said", [Says("A whole sentence."), Says("", (CALL,))])
def test_a_stream_that_is_cut_anywhere_is_no_answer_until_it_is_whole(world, said):
    body = world()._body(said)
    gateway: Gateway = Responses(NOBODY) if world.adapter is Adapter.RESPONSES else Chat(NOBODY)
    expected = gateway.read(RawAnswer(200, "text/event-stream", body))
    assert (expected.text, [(call.name, call.arguments) for call in expected.tool_calls]) == (
        said.text,
        [(call.name, call.arguments) for call in said.calls],
    )
    found: list[Any] = [outcome(gateway, body[:length]) for length in range(len(body))]
    heard = [one for one in found if one is not FailureClass.UNAVAILABLE]
    # What comes after the end, such as what was used, may still be missing.
    assert set(heard) == {(expected.text, expected.tool_calls)}
    assert found[-len(heard) :] == heard


@given(st.lists(st.text(max_size=5), max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 9), max_size=30))
def test_events_do_not_depend_on_how_the_stream_is_cut_into_pieces(texts, end, sizes):
    body = "".join(f"event: x{end}data: {json.dumps(text)}{end}{end}" for text in texts).encode()
    events, rest = Events(), body
    found: list[str] = []
    for size in sizes:
        found += events.feed(rest[:size])
        rest = rest[size:]
    found += [*events.feed(rest), *events.feed(b"\n")]
    assert [json.loads(data) for data in found] == texts
    assert [json.loads(data) for data in data_of(body)] == texts


def test_an_event_of_many_lines_is_one():
    assert data_of(b": comment\ndata: a\ndata:b\nid: 7\n\ndata: cut") == ["a\nb"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("length", FailureClass.FORMAT), ("content_filter", FailureClass.REFUSED), ("error", FailureClass.UNAVAILABLE)],
)
def test_an_answer_that_its_model_did_not_finish_is_none(reason, expected):
    choice = {"message": {"content": "Half of a"}, "finish_reason": reason}
    with pytest.raises(GatewayError) as caught:
        Chat(NOBODY).read(RawAnswer(200, "application/json", whole({"choices": [choice]})))
    assert caught.value.failure is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, FailureClass.FORMAT),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, FailureClass.REFUSED),
        ({"status": "failed"}, FailureClass.UNAVAILABLE),
        ({"status": "in_progress"}, FailureClass.FORMAT),
    ],
)
def test_a_response_that_did_not_complete_is_none(answer, expected):
    with pytest.raises(GatewayError) as caught:
        Responses(NOBODY).read(RawAnswer(200, "application/json", whole(answer | {"output_text": "Half"})))
    assert caught.value.failure is expected


def test_a_stream_whose_items_came_one_by_one_has_them():
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    events = [{"type": "response.output_item.done", "item": item}, {"type": "response.completed", "response": {"output": []}}]
    assert Responses(NOBODY).read(RawAnswer(200, "text/event-stream", streamed(events))).text == "Hi"


@given(st.text(max_size=60))
def test_any_words_have_a_class_or_none(text):
    assert failure_in(text) is None or failure_in(text) in set(FailureClass)
    assert retry_after_in(text) is None or 0 <= (retry_after_in(text) or 0) <= 86_400


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Retry-After: 30", 30.0),
        ("please try again in 2m", 120.0),
        ("retry in 500ms", 0.5),
        ("limit resets in 3 hours", 10_800.0),
        ("retry later", None),
    ],
)
def test_words_say_when_to_come_again(words, seconds):
    assert retry_after_in(words) == seconds
