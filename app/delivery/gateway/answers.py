"""Reads a gateway's raw answer: the text, the usage and the calls in it."""

import re
from collections.abc import Iterator
from typing import cast

import msgspec

from app.delivery.types.runs import FailureClass, GatewayError, ParsedAnswer, RawAnswer, ToolCall

TEXT_DEPTH = 16

_FAILURE_BY_CODE = {"rate_limit_exceeded": FailureClass.RATE_LIMITED, "server_error": FailureClass.UNAVAILABLE}
# A page or an event stream is never an agent's words, though it would pass for text.
_NOT_AN_ANSWER = ("text/html", "text/event-stream")
_NOT_SPOKEN = frozenset({"function_call", "function_call_output", "reasoning"})
_USAGE = ("input_tokens", "output_tokens")


def read_answer(raw: RawAnswer) -> ParsedAnswer:
    """Read a 2xx answer; what is no answer is a GatewayError."""
    if raw.content_type.lower().startswith(_NOT_AN_ANSWER):
        raise _malformed(raw, "the answer is not JSON")
    if not _looks_like_json(raw):
        return ParsedAnswer(_clean(raw.body.decode(errors="replace")), {}, ())
    decoded = _decode(raw)
    if isinstance(decoded, str):
        return ParsedAnswer(_clean(decoded), {}, ())
    if isinstance(decoded, list):
        decoded = {"output": decoded}
    if not isinstance(decoded, dict):
        raise _malformed(raw, "the answer is neither an object nor text")
    answer = cast("dict[str, object]", decoded)
    if answer.get("error") is not None:
        raise _reported(raw, answer["error"])
    return ParsedAnswer(_clean(_text(answer)), _usage(answer.get("usage")), tuple(_calls(answer.get("output"))))


def _looks_like_json(raw: RawAnswer) -> bool:
    body = raw.body.lstrip()
    declared = "json" in raw.content_type.split(";")[0].lower()
    return bool(body) and (declared or body[:1] in (b"{", b"["))


def _decode(raw: RawAnswer) -> object:
    try:
        return msgspec.json.decode(raw.body)
    except (msgspec.DecodeError, RecursionError):
        raise _malformed(raw, "the answer is broken JSON") from None


def _malformed(raw: RawAnswer, message: str) -> GatewayError:
    return GatewayError(FailureClass.FORMAT, message, status=raw.status)


def _reported(raw: RawAnswer, error: object) -> GatewayError:
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    # Only a code is repeated: the gateway's own words may hold what it was sent.
    if not isinstance(code, str) or not re.fullmatch(r"[a-z0-9_.-]{1,40}", code):
        return GatewayError(FailureClass.REFUSED, "the gateway reported an error", status=raw.status)
    failure = _FAILURE_BY_CODE.get(code, FailureClass.REFUSED)
    return GatewayError(failure, f"the gateway reported {code}", status=raw.status)


def _text(answer: dict[str, object]) -> str:
    candidates = (
        answer.get("output_text"),
        "\n".join(_spoken(answer.get("output"), depth=0)),
        answer.get("text"),
        answer.get("content"),
    )
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _spoken(item: object, *, depth: int) -> Iterator[str]:
    if depth > TEXT_DEPTH:
        return
    if isinstance(item, str):
        yield item
    elif isinstance(item, list):
        for part in item:
            yield from _spoken(part, depth=depth + 1)
    elif isinstance(item, dict) and item.get("type") not in _NOT_SPOKEN:
        yield from _spoken(item.get("text") or item.get("content"), depth=depth + 1)


def _usage(reported: object) -> dict[str, int]:
    if not isinstance(reported, dict):
        return {}
    counted = {name: reported.get(name) for name in _USAGE}
    return {name: count for name, count in counted.items() if type(count) is int and count >= 0}


def _calls(output: object) -> Iterator[ToolCall]:
    for item in output if isinstance(output, list) else []:
        if isinstance(item, dict) and item.get("type") == "function_call":
            call_id, name, arguments = item.get("call_id"), item.get("name"), item.get("arguments", "{}")
            if isinstance(call_id, str) and isinstance(name, str) and call_id and name:
                yield ToolCall(call_id, name, arguments if isinstance(arguments, str) else _json(arguments))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _clean(text: str) -> str:
    # The database takes no NUL in text.
    return text.replace("\0", "")
