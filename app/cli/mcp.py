"""MCP on standard input and output: each message goes to a running board, and its answer comes back."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.types import PROTOCOL_VERSION_META_KEY

from app.cli.address import board_url
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart
from app.kernel.urls import redacted

TOKEN = "CALLBOARD_TOKEN"  # noqa: S105 - the name of a setting
# `next` may take almost a minute.
TIMEOUT = httpx.Timeout(90.0, connect=5.0)
LEAVING_SECONDS = 1.0
UNREACHABLE = -32000
PING = {"jsonrpc": "2.0", "id": 0, "method": "ping"}


async def run(settings: Settings, url: str | None, toolset: str | None) -> None:
    """Serve until standard input closes."""
    token = settings.token
    if not token:
        raise CannotStart(f"{TOKEN} is not set: it takes an agent's token, as `./callboard token ACCOUNT AGENT` makes one")
    if not (token.isascii() and token.isprintable()):
        raise CannotStart(f"{TOKEN} is no token of a board")
    base = (url or board_url(settings)).rstrip("/").removesuffix("/mcp")
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        params={"toolset": toolset} if toolset else None,
        timeout=TIMEOUT,
        trust_env=False,
    ) as http:
        await _check(http, base)
        await _Proxy(http, base).serve(_lines())


async def _check(http: httpx.AsyncClient, base: str) -> None:
    shown = redacted(base)
    try:
        answer = await http.post(f"{base}/mcp", json=PING)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise CannotStart(f"no board answers at {shown} ({reason}): start it with `./callboard up`, or say --url") from None
    if answer.is_success:
        return
    told = _told(answer)
    match answer.status_code:
        case httpx.codes.UNAUTHORIZED:
            raise CannotStart(f"the board at {shown} does not know {TOKEN}: it is of another board, expired or revoked")
        case httpx.codes.FORBIDDEN:
            raise CannotStart(f"{TOKEN} is no agent's token: `./callboard token ACCOUNT AGENT` makes one")
        case _ if told:
            raise CannotStart(f"the board at {shown} refuses: {told['message']}")
        case _:
            raise CannotStart(f"what answers at {shown} is no board (status {answer.status_code})")


class _Proxy:
    """One client's connection; requests run side by side, as over HTTP."""

    def __init__(self, http: httpx.AsyncClient, base: str) -> None:
        self._http = http
        self._base = base
        self._version: str | None = None
        self._calls: dict[Any, asyncio.Task[None]] = {}

    async def serve(self, lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            if line.strip():
                await self._take(line)
        if self._calls:
            _, late = await asyncio.wait(self._calls.values(), timeout=LEAVING_SECONDS)
            for call in late:
                call.cancel()

    async def _take(self, line: bytes) -> None:
        message = _decoded(line)
        name, identity = message.get("method"), message.get("id")
        if name == "notifications/cancelled":
            call = self._calls.get(_hashable(_part(message, "params").get("requestId")))
            if call is not None:
                call.cancel()
        elif name in (None, "initialize") or identity is None:
            # What follows `initialize` names the version that was agreed on.
            await self._forward(line, message)
        else:
            key = _hashable(identity)
            self._calls[key] = asyncio.create_task(self._forward(line, message))
            self._calls[key].add_done_callback(lambda _: self._calls.pop(key, None))

    async def _forward(self, line: bytes, message: dict[str, Any]) -> None:
        try:
            answer = await self._http.post(f"{self._base}/mcp", content=line, headers=self._headers(message))
        except httpx.HTTPError as error:
            self._fail(message, f"the board at {redacted(self._base)} does not answer: {str(error) or type(error).__name__}")
            return
        if answer.content and "jsonrpc" in _decoded(answer.content):
            self._note_version(message, answer.content)
            _say(answer.content)
        elif not answer.is_success:
            told = _told(answer)
            self._fail(message, told.get("message", f"the board answered with status {answer.status_code}"), told)

    def _headers(self, message: dict[str, Any]) -> dict[str, str]:
        """What HTTP wants said beside the body."""
        method, params = message.get("method"), _part(message, "params")
        version = _part(params, "_meta").get(PROTOCOL_VERSION_META_KEY)
        if not isinstance(version, str) or not isinstance(method, str):
            said = self._version if method != "initialize" else None
            return {MCP_PROTOCOL_VERSION_HEADER: said} if said else {}
        headers = {MCP_PROTOCOL_VERSION_HEADER: encode_header_value(version), MCP_METHOD_HEADER: encode_header_value(method)}
        name = params.get(NAME_BEARING_METHODS.get(method, ""))
        return headers | ({MCP_NAME_HEADER: encode_header_value(name)} if isinstance(name, str) else {})

    def _note_version(self, message: dict[str, Any], answer: bytes) -> None:
        if message.get("method") == "initialize":
            agreed = _part(_decoded(answer), "result").get("protocolVersion")
            self._version = agreed if isinstance(agreed, str) else None

    def _fail(self, message: dict[str, Any], reason: str, details: Any = None) -> None:
        if message.get("id") is not None:
            error = {"code": UNREACHABLE, "message": reason} | ({"data": details} if details else {})
            _say(msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "error": error}))


def _decoded(raw: bytes) -> dict[str, Any]:
    """The message; what is none goes on as it is, so that the board says what is wrong with it."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(message: dict[str, Any], name: str) -> dict[str, Any]:
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def _hashable(identity: Any) -> str:
    # 1 and "1" are two ids.
    return repr(identity)


def _told(answer: httpx.Response) -> dict[str, Any]:
    """The error of the board's envelope."""
    error = _part(_decoded(answer.content), "error")
    return error if isinstance(error.get("message"), str) else {}


def _say(message: bytes) -> None:
    sys.stdout.buffer.write(message.replace(b"\n", b" ") + b"\n")
    sys.stdout.buffer.flush()


async def _lines() -> AsyncIterator[bytes]:
    """Standard input line by line; a thread reads it, because it may be a pipe, a terminal or a file."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        while line := sys.stdin.buffer.readline():
            loop.call_soon_threadsafe(heard.put_nowait, line)
        loop.call_soon_threadsafe(heard.put_nowait, b"")

    threading.Thread(target=listen, daemon=True).start()
    while line := await heard.get():
        yield line
