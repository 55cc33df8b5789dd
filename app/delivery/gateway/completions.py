"""Reads a chat completion, whole or in chunks: the text, the usage and the calls in it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from app.delivery.gateway.answers import call, clean, cost_told, cut, decoded, malformed, model_of, spoken, unfinished, usage_of
from app.delivery.gateway.events import data_of, is_stream
from app.delivery.gateway.refusals import reported
from app.delivery.types.runs import FailureClass, GatewayError, ParsedAnswer, RawAnswer, ToolCall

DONE = "[DONE]"
CALLS_MOST = 1_000
_USAGE = ("prompt_tokens", "completion_tokens")
_UNFINISHED = ("length", "content_filter")


def is_last(data: str) -> bool:
    """Whether this event ends the stream of a completion."""
    return data.strip() == DONE


def read_completion(raw: RawAnswer) -> ParsedAnswer:
    """Read a 2xx answer; what is no completion is a GatewayError."""
    answer = _joined(raw) if is_stream(raw.content_type) else _whole(raw)
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise malformed(raw, "the answer has no message")
    _refuse_unfinished(raw, choice.get("finish_reason"))
    if message.get("refusal") and not message.get("content"):
        raise GatewayError(FailureClass.REFUSED, "the model refused to answer", status=raw.status)
    usage = answer.get("usage")
    return ParsedAnswer(
        clean("\n".join(spoken(message.get("content")))),
        usage_of(usage, _USAGE),
        tuple(_calls(raw, message.get("tool_calls"))),
        cost_told(answer),
        model_of(answer),
    )


def _refuse_unfinished(raw: RawAnswer, reason: object) -> None:
    if reason in _UNFINISHED:
        raise unfinished(raw, reason)
    if reason == "error":
        raise GatewayError(FailureClass.UNAVAILABLE, "the model ended with an error", status=raw.status)


def _whole(raw: RawAnswer) -> dict[str, Any]:
    if raw.content_type.lower().startswith("text/html"):
        raise malformed(raw, "the answer is not JSON")
    answer = decoded(raw)
    if not isinstance(answer, dict):
        raise malformed(raw, "the answer is no object")
    if answer.get("error") is not None:
        raise reported(answer["error"], status=raw.status)
    return answer


def _calls(raw: RawAnswer, calls: object) -> Iterator[ToolCall]:
    for index, item in enumerate(calls if isinstance(calls, list) else []):
        function = item.get("function") if isinstance(item, dict) else None
        found = [*call(item.get("id") or f"call_{index}", function)] if isinstance(function, dict) else []
        if not found:
            raise malformed(raw, "a tool call has no name")
        yield from found


def _joined(raw: RawAnswer) -> dict[str, Any]:
    """The chunks as the completion that they are pieces of."""
    joined = _Joined()
    for data in data_of(raw.body):
        if is_last(data):
            break
        joined.add(_chunk(raw, data))
    if joined.finish_reason is None:
        raise cut(raw)
    return joined.completion()


def _chunk(raw: RawAnswer, data: str) -> dict[str, Any]:
    try:
        chunk = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise malformed(raw, "a part of the stream is broken JSON") from None
    if not isinstance(chunk, dict):
        raise malformed(raw, "a part of the stream is no object")
    if chunk.get("error") is not None:
        raise reported(chunk["error"], status=raw.status)
    return chunk


class _Joined:
    """A completion that grows chunk by chunk."""

    def __init__(self) -> None:
        self.finish_reason: object = None
        self._text: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._around: dict[str, Any] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        self._around |= {name: chunk[name] for name in ("usage", "model") if chunk.get(name) is not None}
        for choice in chunk["choices"] if isinstance(chunk.get("choices"), list) else ():
            if not isinstance(choice, dict) or choice.get("index", 0) != 0:
                continue
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            delta = choice.get("delta")
            if isinstance(delta, dict):
                self._say(delta)

    def completion(self) -> dict[str, Any]:
        message = {"content": "".join(self._text), "tool_calls": [call for _, call in sorted(self._calls.items())]}
        return self._around | {"choices": [{"message": message, "finish_reason": self.finish_reason}]}

    def _say(self, delta: dict[str, Any]) -> None:
        self._text += spoken(delta.get("content"))
        calls = delta.get("tool_calls")
        for piece in calls if isinstance(calls, list) else ():
            index = piece.get("index", len(self._calls)) if isinstance(piece, dict) else None
            if type(index) is int and 0 <= index < CALLS_MOST:
                self._grow(self._calls.setdefault(index, {"function": {"name": "", "arguments": ""}}), piece)

    def _grow(self, call: dict[str, Any], piece: dict[str, Any]) -> None:
        call["id"] = call.get("id") or piece.get("id")
        function = piece.get("function")
        for name in ("name", "arguments"):
            said = function.get(name) if isinstance(function, dict) else None
            if isinstance(said, str):
                call["function"][name] += said
