"""Reads a gateway's raw answer: the text, the usage and the calls in it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

from app.delivery.gateway.events import data_of, is_stream
from app.delivery.gateway.refusals import reported
from app.delivery.types.runs import FailureClass, GatewayError, ParsedAnswer, RawAnswer, ToolCall

TEXT_DEPTH = 16
COST_MOST = Decimal(1_000_000)
COST_LEAST = Decimal("0.000001")
TOKENS_MOST = 10**12
COMPLETED, FAILED, INCOMPLETE, ERROR = "response.completed", "response.failed", "response.incomplete", "error"

# Tuples, for what is looked up in them may be anything.
_NOT_SPOKEN = ("function_call", "function_call_output", "reasoning")
_ENDS = (COMPLETED, FAILED, INCOMPLETE)
_USAGE = ("input_tokens", "output_tokens")
_BROKEN, _OPEN = ("failed", "cancelled"), ("in_progress", "queued")


def read_answer(raw: RawAnswer) -> ParsedAnswer:
    """Read a 2xx answer; what is no answer is a GatewayError."""
    if is_stream(raw.content_type):
        return _read_object(raw, _last_of(raw))
    decoded = json_or_text(raw)
    if isinstance(decoded, str):
        return ParsedAnswer(clean(decoded), {}, ())
    if isinstance(decoded, list):
        decoded = {"output": decoded}
    if not isinstance(decoded, dict):
        raise malformed(raw, "the answer is neither an object nor text")
    return _read_object(raw, cast("dict[str, object]", decoded))


def is_last(data: str) -> bool:
    """Whether this event ends the stream of a response."""
    event = _event(data)
    return event is not None and event.get("type") in (*_ENDS, ERROR)


def _last_of(raw: RawAnswer) -> dict[str, object]:
    """The response that the stream ends with; its items are also told one by one, and some servers leave them there."""
    items: list[object] = []
    for event in filter(None, map(_event, data_of(raw.body))):
        kind, response = event.get("type"), event.get("response")
        if kind == "response.output_item.done":
            items.append(event.get("item"))
        elif kind == ERROR:
            raise reported(event.get("error") or event, status=raw.status)
        elif kind in _ENDS:
            found = cast("dict[str, object]", response) if isinstance(response, dict) else {}
            return found | ({} if found.get("output") else {"output": items}) | {"status": str(kind).split(".")[1]}
    raise cut(raw)


def _event(data: str) -> dict[str, object] | None:
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _read_object(raw: RawAnswer, answer: dict[str, object]) -> ParsedAnswer:
    if answer.get("error") is not None:
        raise reported(answer["error"], status=raw.status)
    _refuse_unfinished(raw, answer)
    return ParsedAnswer(
        clean(_text(answer)),
        usage_of(answer.get("usage"), _USAGE),
        tuple(_calls(answer.get("output"))),
        cost_told(answer),
        model_of(answer),
    )


def _refuse_unfinished(raw: RawAnswer, answer: dict[str, object]) -> None:
    status = answer.get("status")
    if status == "incomplete":
        details = answer.get("incomplete_details")
        raise unfinished(raw, details.get("reason") if isinstance(details, dict) else None)
    if status in _BROKEN:
        raise GatewayError(FailureClass.UNAVAILABLE, f"the response was {status}", status=raw.status)
    if status in _OPEN:
        raise malformed(raw, "the response is not finished")


def json_or_text(raw: RawAnswer) -> object:
    """The decoded body, or its text where it is no JSON and does not claim to be; a page is neither."""
    if raw.content_type.lower().startswith("text/html") or is_stream(raw.content_type):
        raise malformed(raw, "the answer is not JSON")
    body = raw.body.lstrip()
    declared = "json" in raw.content_type.split(";")[0].lower()
    if not body or not (declared or body[:1] in (b"{", b"[")):
        return raw.body.decode(errors="replace")
    return decoded(raw)


def decoded(raw: RawAnswer) -> object:
    try:
        return msgspec.json.decode(raw.body)
    except (msgspec.DecodeError, RecursionError):
        raise malformed(raw, "the answer is broken JSON") from None


def malformed(raw: RawAnswer, message: str) -> GatewayError:
    return GatewayError(FailureClass.FORMAT, message, status=raw.status)


def cut(raw: RawAnswer) -> GatewayError:
    return GatewayError(FailureClass.UNAVAILABLE, "the stream ended before the answer did", status=raw.status)


def unfinished(raw: RawAnswer, reason: object) -> GatewayError:
    """Half an answer is none."""
    if reason == "content_filter":
        return GatewayError(FailureClass.REFUSED, "the model's filter stopped the answer", status=raw.status)
    return malformed(raw, "the model stopped before the answer was whole")


def _text(answer: dict[str, object]) -> str:
    candidates = (
        answer.get("output_text"),
        "\n".join(spoken(answer.get("output"))),
        answer.get("text"),
        answer.get("content"),
    )
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def spoken(item: object, *, depth: int = 0) -> Iterator[str]:
    """All text in the items of an answer, whatever they are wrapped in."""
    if depth > TEXT_DEPTH:
        return
    if isinstance(item, str):
        yield item
    elif isinstance(item, list):
        for part in item:
            yield from spoken(part, depth=depth + 1)
    elif isinstance(item, dict) and item.get("type") not in _NOT_SPOKEN:
        yield from spoken(item.get("text") or item.get("content"), depth=depth + 1)


def usage_of(told: object, names: tuple[str, str]) -> dict[str, int]:
    """The tokens that went in and came out, as far as they are told soundly under these names."""
    if not isinstance(told, dict):
        return {}
    counted = {ours: told.get(theirs) for ours, theirs in zip(_USAGE, names, strict=True)}
    return {name: count for name, count in counted.items() if type(count) is int and 0 <= count <= TOKENS_MOST}


def cost_told(answer: Mapping[str, Any]) -> Decimal | None:
    """What the answer says it cost, itself or among its usage."""
    usage = answer.get("usage")
    among = usage if isinstance(usage, dict) else {}
    found = map(cost_of, (answer.get("cost_usd"), among.get("cost_usd"), among.get("cost")))
    return next((cost for cost in found if cost is not None), None)


def cost_of(told: object) -> Decimal | None:
    try:
        cost = Decimal(str(told)) if isinstance(told, str | int | float) and not isinstance(told, bool) else None
    except InvalidOperation:
        return None
    # An exponent that is far below zero would fill the memory when it is written out.
    return cost.quantize(COST_LEAST) if cost is not None and cost.is_finite() and 0 <= cost <= COST_MOST else None


def model_of(answer: Mapping[str, Any]) -> str | None:
    model = answer.get("model")
    return clean(model)[:200] if isinstance(model, str) and model else None


def _calls(output: object) -> Iterator[ToolCall]:
    for item in output if isinstance(output, list) else []:
        if isinstance(item, dict) and item.get("type") == "function_call":
            yield from call(item.get("call_id"), item)


def call(call_id: object, function: Mapping[str, Any]) -> Iterator[ToolCall]:
    """One call, if it is named; arguments may be JSON or the text of it."""
    name, arguments = function.get("name"), function.get("arguments", "{}")
    if isinstance(call_id, str) and isinstance(name, str) and call_id and name:
        written = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        yield ToolCall(clean(call_id), clean(name), clean(written))


def clean(text: str) -> str:
    # The database takes no NUL in text.
    return text.replace("\0", "")
