import json

import pytest

from app.delivery.gateway.answers import read_answer
from app.delivery.types.runs import FailureClass, GatewayError, RawAnswer, ToolCall

JSON = "application/json"
SECRET = "session-which-is-secret"


def answer(body, content_type=JSON):
    return read_answer(RawAnswer(200, content_type, body if isinstance(body, bytes) else json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"output_text": "Hi", "output": [{"text": "no"}]}, "Hi"),
        ({"output": [{"type": "message", "content": [{"type": "output_text", "text": "A"}, {"text": "B"}]}]}, "A\nB"),
        ({"output": ["A", {"content": "B"}, [["C"]]]}, "A\nB\nC"),
        ({"output_text": "", "output": [{"text": "A"}]}, "A"),
        ({"output": [{"type": "reasoning", "content": "hidden"}, {"text": "A"}]}, "A"),
        ({"text": "A", "content": "B"}, "A"),
        ({"content": "B"}, "B"),
        (["A", {"text": "B"}], "A\nB"),
        ("just text", "just text"),
        ({"output_text": "a\u0000b"}, "ab"),
        ({"output": []}, ""),
        ({}, ""),
    ],
)
def test_the_text_is_found(body, text):
    assert answer(body).text == text


def test_what_is_not_json_is_the_text():
    assert answer(b"Plain words", "text/plain").text == "Plain words"
    assert answer(b"\xff", "text/plain").text == "\ufffd"
    assert answer(b"", JSON).text == ""
    assert answer(b' {"text": "A"}', "text/plain").text == "A"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"output_text": "cut', JSON),
        (b'{"output_text": "cut', "text/plain"),
        (b"[1, 2", "text/plain"),
        (b"words", JSON),
        (b"words", "application/vnd.api+json; charset=utf-8"),
        (b"12", JSON),
        (b"{" * 100_000, JSON),
        (b"[" * 100_000, JSON),
        (b"<html>Sign in</html>", "text/html; charset=utf-8"),
    ],
)
def test_a_malformed_answer_is_a_format_failure(body, content_type):
    with pytest.raises(GatewayError) as caught:
        answer(body, content_type)
    assert (caught.value.failure, caught.value.status) == (FailureClass.FORMAT, 200)


def test_a_deep_answer_is_read_to_a_bound():
    assert answer(b'{"output": ' + b"[" * 500 + b'"x"' + b"]" * 500 + b"}").text == ""


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        ({"code": "rate_limit_exceeded"}, FailureClass.RATE_LIMITED, "the gateway reported rate_limit_exceeded"),
        ({"type": "server_error"}, FailureClass.UNAVAILABLE, "the gateway reported server_error"),
        ({"code": "bad_model", "message": SECRET}, FailureClass.REFUSED, "the gateway reported bad_model"),
        ({"code": f"x {SECRET}"}, FailureClass.REFUSED, "the gateway reported an error"),
        ("broken", FailureClass.REFUSED, "the gateway reported an error"),
    ],
)
def test_an_error_in_the_answer_is_a_failure(error, expected, message):
    with pytest.raises(GatewayError) as caught:
        answer({"status": "failed", "error": error, "output_text": "never posted"})
    assert (caught.value.failure, caught.value.message) == (expected, message)


def test_usage_is_read_where_it_is_sound():
    assert answer({"usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}}).usage == {
        "input_tokens": 12,
        "output_tokens": 3,
    }
    assert answer({"usage": {"input_tokens": -1, "output_tokens": True}}).usage == {}
    assert answer({"usage": "12", "error": None}).usage == {}


def test_calls_are_collected():
    calls = [
        {"type": "function_call", "call_id": "1", "name": "task_status", "arguments": '{"status": "review"}'},
        {"type": "function_call", "call_id": "2", "name": "next", "arguments": {"a": 1}},
        {"type": "function_call", "name": "nobody"},
        {"type": "message", "content": "Done."},
    ]
    read = answer({"output": calls})
    assert read.text == "Done."
    assert read.tool_calls == (ToolCall("1", "task_status", '{"status": "review"}'), ToolCall("2", "next", '{"a":1}'))
