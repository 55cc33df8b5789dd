"""The outsides of the contract kit: a real HTTP server, a real program and a real MCP server."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx

from app.agents.types import Adapter
from app.delivery.gateway.chat import Chat
from app.delivery.gateway.contract import Gateway
from app.delivery.gateway.posting import ANSWER_LIMIT
from app.delivery.gateway.responses import Responses
from app.delivery.types.runs import FailureClass
from tests.delivery.gateway.kit import RETRY_AFTER, Cut, Fails, Hangs, Malformed, Says, TooLarge, World, patiently

JSON, EVENTS = "application/json", "text/event-stream"
USAGE = (7, 3)
REFUSALS: dict[FailureClass, tuple[int, dict[str, Any]]] = {
    FailureClass.RATE_LIMITED: (429, {"code": "rate_limit_exceeded"}),
    FailureClass.QUOTA: (429, {"code": "insufficient_quota"}),
    FailureClass.AUTH: (401, {"code": "invalid_api_key"}),
    FailureClass.UNAVAILABLE: (503, {"code": "server_error"}),
    FailureClass.REFUSED: (404, {"code": "model_not_found"}),
}


class HttpWorld(World):
    """Answers one request a connection; `_whole` and `_pieces` are the dialect."""

    def __init__(self) -> None:
        super().__init__()
        self._http: httpx.AsyncClient | None = None
        self._server: asyncio.Server | None = None
        self._open = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["HttpWorld"]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with httpx.AsyncClient(trust_env=False) as self._http:
            try:
                yield self
            finally:
                self._server.close()

    @property
    def http(self) -> httpx.AsyncClient:
        assert self._http is not None
        return self._http

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def begun(self) -> None:
        await patiently(lambda: self._open)

    async def ended(self) -> None:
        await patiently(lambda: not self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            self.asked.append((await reader.readexactly(length)).decode())
            self._open += 1
            try:
                await self._answer(reader, writer)
                await writer.drain()
            finally:
                self._open -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self.play:
            case Says() as said:
                self._write(writer, self._body(said))
            case Fails(failure):
                status, error = REFUSALS[failure]
                self._write(writer, json.dumps({"error": error}).encode(), status=status, kind=JSON)
            case Hangs():
                # Until the one who asked has gone.
                await reader.read()
            case TooLarge():
                self._write(writer, self._body(Says("x" * (ANSWER_LIMIT + 1))))
            case Malformed():
                self._write(writer, b'data: {"output": [\n\n' if self._streams else b'{"output": [{"type": "mess')
            case Cut():
                whole = self._body(Says("This sentence is never heard to its end."))
                self._write(writer, whole[: len(whole) // 2], length=None if self._streams else len(whole))

    @property
    def _streams(self) -> bool:
        return bool(self.settings.get("stream"))

    def _body(self, said: Says) -> bytes:
        if self._streams:
            return "".join(f"data: {piece}\n\n" for piece in self._pieces(said)).encode()
        return json.dumps(self._whole(said)).encode()

    def _write(
        self, writer: asyncio.StreamWriter, body: bytes, *, status: int = 200, kind: str | None = None, length: int | None = -1
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind or (EVENTS if self._streams else JSON)}", "Connection: close"]
        if status == 429:
            lines.append(f"Retry-After: {RETRY_AFTER}")
        if length is not None:
            lines.append(f"Content-Length: {len(body) if length < 0 else length}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def _whole(self, said: Says) -> dict[str, Any]:
        raise NotImplementedError

    def _pieces(self, said: Says) -> Iterator[str]:
        raise NotImplementedError


class ResponsesWorld(HttpWorld):
    adapter = Adapter.RESPONSES

    def gateway(self) -> Gateway:
        return Responses(self.http)

    def _whole(self, said: Says) -> dict[str, Any]:
        text = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said.text}]}]
        calls = [
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
            for call in said.calls
        ]
        usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
        return {"object": "response", "status": "completed", "model": "m-1", "output": [*text, *calls], "usage": usage}

    def _pieces(self, said: Says) -> Iterator[str]:
        yield json.dumps({"type": "response.created", "response": {"status": "in_progress", "output": []}})
        yield json.dumps({"type": "response.output_text.delta", "delta": said.text})
        yield json.dumps({"type": "response.completed", "response": self._whole(said)})
        yield "[DONE]"


class StreamedResponsesWorld(ResponsesWorld):
    settings: ClassVar[Mapping[str, Any]] = {"stream": True}


class ChatWorld(HttpWorld):
    adapter = Adapter.CHAT
    settings: ClassVar[Mapping[str, Any]] = {"model": "m-1"}

    def gateway(self) -> Gateway:
        return Chat(self.http)

    def _whole(self, said: Says) -> dict[str, Any]:
        message = {"role": "assistant", "content": said.text or None, "tool_calls": self._calls(said)}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}
        return {"object": "chat.completion", "model": "m-1", "choices": [choice], "usage": self._usage()}

    def _pieces(self, said: Says) -> Iterator[str]:
        middle = len(said.text) // 2
        for text in (said.text[:middle], said.text[middle:]):
            yield self._chunk({"role": "assistant", "content": text})
        for index, call in enumerate(self._calls(said)):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            yield self._chunk({"tool_calls": [{"index": index, "id": call["id"], "function": {"name": name, "arguments": ""}}]})
            for letter in arguments:
                yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": letter}}]})
        yield self._chunk({}, finish_reason="tool_calls" if said.calls else "stop")
        yield json.dumps({"object": "chat.completion.chunk", "choices": [], "usage": self._usage()})
        yield "[DONE]"

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        return json.dumps({"object": "chat.completion.chunk", "model": "m-1", "choices": choices})

    def _calls(self, said: Says) -> list[dict[str, Any]]:
        return [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in said.calls
        ]

    def _usage(self) -> dict[str, int]:
        return {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}


class StreamedChatWorld(ChatWorld):
    settings: ClassVar[Mapping[str, Any]] = {"model": "m-1", "stream": True}
