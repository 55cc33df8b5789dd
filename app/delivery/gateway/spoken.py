"""The simplest dialect: a prompt as text or JSON, and an answer as plain text or `{text, tool_calls, usage, cost_usd}`."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from app.agents.executors import History, Written
from app.delivery.gateway.answers import call, clean, cost_told, decoded, malformed, model_of, usage_of
from app.delivery.gateway.refusals import reported
from app.delivery.gateway.rounds import arguments, said, untold
from app.delivery.types.runs import Ask, Caller, Exchange, ParsedAnswer, RawAnswer, ToolCall

JSON = "application/json"
TEXT = "text/plain"
KEYS = frozenset({"text", "tool_calls"})


def written(ask: Ask, *, form: Written, history: History, caller: Caller) -> str:
    """The prompt and the tool rounds before, as text or as one JSON object."""
    with_prompt, exchanges = untold(ask, history)
    rounds = [*_rounds(exchanges)]
    if form == "text":
        lines = [msgspec.json.encode(one).decode() for one in rounds]
        return "\n\n".join([*([said(ask)] if with_prompt else []), *lines])
    body: dict[str, Any] = {"agent_slug": caller.agent_slug, "session_key": caller.session_key}
    if with_prompt:
        body |= {"instructions": ask.instructions, "input": ask.input}
    body |= {"tools": ask.tools, "rounds": rounds, "about": ask.about, "task_id": ask.task_id}
    return msgspec.json.encode(body).decode()


def _rounds(exchanges: Iterable[Exchange]) -> Iterator[dict[str, Any]]:
    for exchange in exchanges:
        results = {result.call_id: result for result in exchange.results}
        calls = [_done(one, results.get(one.call_id)) for one in exchange.calls]
        yield {"text": exchange.text, "tool_calls": calls}


def _done(one: ToolCall, result: Any) -> dict[str, Any]:
    asked = {"id": one.call_id, "name": one.name, "arguments": arguments(one.arguments)}
    return asked if result is None else asked | {"output": result.output, "is_error": result.is_error}


def kind_of(body: bytes, output: str | None) -> str:
    """The content type of an answer that came without one."""
    is_json = body.lstrip()[:1] == b"{" if output is None else output == "json"
    return JSON if is_json else TEXT


def read(raw: RawAnswer) -> ParsedAnswer:
    """Read an answer: JSON is taken apart, anything else is the text."""
    if raw.content_type != JSON:
        return ParsedAnswer(clean(raw.body.decode(errors="replace")).strip(), {}, ())
    answer = decoded(raw)
    if not isinstance(answer, dict):
        raise malformed(raw, "the answer is no object")
    if answer.get("error") is not None:
        raise reported(answer["error"], status=raw.status)
    text = answer.get("text", "")
    if not KEYS & answer.keys() or not isinstance(text, str):
        raise malformed(raw, "the answer has no text and no tool calls")
    return ParsedAnswer(
        clean(text),
        usage_of(answer.get("usage"), ("input_tokens", "output_tokens")),
        tuple(_calls(raw, answer.get("tool_calls"))),
        cost_told(answer),
        model_of(answer),
    )


def _calls(raw: RawAnswer, calls: object) -> Iterator[ToolCall]:
    for index, item in enumerate(calls if isinstance(calls, list) else []):
        found = [*call(item.get("id") or f"call_{index}", item)] if isinstance(item, dict) else []
        if not found:
            raise malformed(raw, "a tool call has no name")
        yield from found
