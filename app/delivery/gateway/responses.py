"""A gateway that speaks OpenResponses: `POST /v1/responses`, kept in a session by `user`."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import httpx
import msgspec

from app.agents.executors import ResponsesSettings
from app.delivery.gateway import posting
from app.delivery.gateway.answers import is_last, read_answer
from app.delivery.gateway.events import is_stream
from app.delivery.gateway.posting import versioned
from app.delivery.gateway.rounds import settings_of, untold
from app.delivery.types.runs import Ask, Caller, Exchange, ParsedAnswer, Profile, RawAnswer, SendHeaders, Tool


class Responses:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    def encode(self, ask: Ask, *, profile: Profile, caller: Caller) -> bytes:
        settings = settings_of(profile, ResponsesSettings)
        body: dict[str, object] = {
            "model": settings.model or f"openclaw:{caller.gateway_id}",
            "input": _input(ask, settings),
            "stream": settings.stream,
            "user": caller.session_key,
        }
        if ask.instructions:
            body["instructions"] = ask.instructions
        if ask.tools and settings.tools:
            body["tools"] = [_tool(tool) for tool in ask.tools]
        return msgspec.json.encode(body)

    async def send(
        self, request: bytes, *, profile: Profile, token: str | None, headers: SendHeaders, now: datetime
    ) -> RawAnswer:
        url = versioned(profile.url or "", "responses")
        accept = "text/event-stream" if settings_of(profile, ResponsesSettings).stream else "application/json"
        endpoint = posting.Endpoint(url=url, token=token, timeout=profile.timeout_seconds, ends=is_last, accept=accept)
        raw = await posting.post(self._http, endpoint, body=request, headers=headers, now=now)
        if is_stream(raw.content_type):
            # One that was cut is not to be kept as an answer.
            self.read(raw)
        return raw

    def read(self, raw: RawAnswer) -> ParsedAnswer:
        return read_answer(raw)

    def offers_tools(self, profile: Profile) -> bool:
        return settings_of(profile, ResponsesSettings).tools


def _input(ask: Ask, settings: ResponsesSettings) -> str | list[dict[str, Any]]:
    if not ask.exchanges:
        return ask.input
    with_prompt, exchanges = untold(ask, settings.history)
    prompt = [{"type": "message", "role": "user", "content": ask.input}] if with_prompt else []
    return [*prompt, *_items(exchanges, with_calls=with_prompt)]


def _items(exchanges: Iterable[Exchange], *, with_calls: bool) -> Iterator[dict[str, Any]]:
    for exchange in exchanges:
        if with_calls and exchange.text:
            yield {"type": "message", "role": "assistant", "content": exchange.text}
        for call in exchange.calls if with_calls else ():
            yield {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
        for result in exchange.results:
            yield {"type": "function_call_output", "call_id": result.call_id, "output": result.output}


def _tool(tool: Tool) -> dict[str, Any]:
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
