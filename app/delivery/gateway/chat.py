"""Any API that speaks chat completions: `POST /v1/chat/completions`, told everything in each round."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import httpx
import msgspec

from app.agents.executors import ChatSettings
from app.delivery.gateway import posting
from app.delivery.gateway.completions import is_last, read_completion
from app.delivery.gateway.events import is_stream
from app.delivery.gateway.rounds import settings_of, untold
from app.delivery.types.runs import Ask, Caller, Exchange, ParsedAnswer, Profile, RawAnswer, SendHeaders, Tool


class Chat:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    def encode(self, ask: Ask, *, profile: Profile, caller: Caller) -> bytes:
        settings = settings_of(profile, ChatSettings)
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": [*_messages(ask, settings)],
            "user": caller.session_key,
            "stream": settings.stream,
        }
        if settings.stream:
            body["stream_options"] = {"include_usage": True}
        if ask.tools and settings.tools:
            body["tools"] = [_tool(tool) for tool in ask.tools]
        return msgspec.json.encode(body)

    async def send(
        self, request: bytes, *, profile: Profile, token: str | None, headers: SendHeaders, now: datetime
    ) -> RawAnswer:
        url = posting.versioned(profile.url or "", "chat/completions")
        accept = "text/event-stream" if settings_of(profile, ChatSettings).stream else "application/json"
        endpoint = posting.Endpoint(url=url, token=token, timeout=profile.timeout_seconds, ends=is_last, accept=accept)
        raw = await posting.post(self._http, endpoint, body=request, headers=headers, now=now)
        if is_stream(raw.content_type):
            # One that was cut is not to be kept as an answer.
            self.read(raw)
        return raw

    def read(self, raw: RawAnswer) -> ParsedAnswer:
        return read_completion(raw)

    def offers_tools(self, profile: Profile) -> bool:
        return settings_of(profile, ChatSettings).tools


def _messages(ask: Ask, settings: ChatSettings) -> Iterator[dict[str, Any]]:
    with_prompt, exchanges = untold(ask, settings.history)
    if with_prompt:
        if ask.instructions:
            yield {"role": "system", "content": ask.instructions}
        yield {"role": "user", "content": ask.input}
    yield from _rounds(exchanges, with_calls=with_prompt)


def _rounds(exchanges: Iterable[Exchange], *, with_calls: bool) -> Iterator[dict[str, Any]]:
    for exchange in exchanges:
        calls = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in exchange.calls
        ]
        if with_calls and calls:
            yield {"role": "assistant", "content": exchange.text or None, "tool_calls": calls}
        for result in exchange.results:
            yield {"role": "tool", "tool_call_id": result.call_id, "content": result.output}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
