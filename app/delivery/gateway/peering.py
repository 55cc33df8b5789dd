"""One call of an MCP peer's tool through the SDK, kept to one origin and to a bound."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
import msgspec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, INTERNAL_ERROR, PARSE_ERROR, CallToolResult

from app.delivery.gateway import refusals, spoken
from app.delivery.gateway.posting import ANSWER_LIMIT, CONNECT_TIMEOUT, REFUSAL_LIMIT
from app.delivery.gateway.words import excerpt, failure_in, retry_after_in
from app.delivery.types.runs import FailureClass, GatewayError, SendHeaders

# What is said when the call is over may not hold up whoever cancelled it.
LAST_WORDS_SECONDS = 1.0
CALL = b'"tools/call"'
_BY_CODE = {
    CONNECTION_CLOSED: FailureClass.UNAVAILABLE,
    INTERNAL_ERROR: FailureClass.UNAVAILABLE,
    PARSE_ERROR: FailureClass.FORMAT,
}

# They say at INFO that each request begins and ends, and at ERROR what the peer sent.
for _name in ("mcp", "httpx2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    url: str
    token: str | None = field(repr=False)
    timeout: float
    headers: SendHeaders


async def call(called: Called, tool: str, arguments: dict[str, Any], *, now: datetime) -> bytes:
    """The answer of the tool as text or JSON; whatever goes wrong is a GatewayError."""
    watch = _Watch(called)
    try:
        async with asyncio.timeout(called.timeout):
            result = await _result(called, watch, tool, arguments)
    except TimeoutError:
        raise GatewayError(FailureClass.TIMEOUT, "no answer in time", may_have_arrived=watch.may_have_arrived) from None
    except Exception as error:  # noqa: BLE001 the SDK raises many, alone and in groups, which may quote a header
        raise watch.failure(error, now=now) from None
    if result.is_error:
        raise _told(_words(result), secrets=watch.secrets)
    return _body(result)


async def _result(called: Called, watch: "_Watch", tool: str, arguments: dict[str, Any]) -> CallToolResult:
    timeout = httpx2.Timeout(called.timeout, connect=min(CONNECT_TIMEOUT, called.timeout))
    async with (
        httpx2.AsyncClient(transport=watch, headers=_headers(called), timeout=timeout, trust_env=False) as http,
        Client(streamable_http_client(called.url, http_client=http, max_sse_event_size=ANSWER_LIMIT)) as client,
    ):
        return await client.call_tool(tool, arguments)


def _headers(called: Called) -> Mapping[str, str]:
    named = {
        "Authorization": called.token and f"Bearer {called.token}",
        "Accept-Encoding": "identity",
        "Idempotency-Key": called.headers.idempotency_key,
        "X-Request-ID": called.headers.request_id,
        "traceparent": called.headers.traceparent,
    }
    return {name: value for name, value in named.items() if value}


def _words(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _body(result: CallToolResult) -> bytes:
    told = result.structured_content
    if isinstance(told, dict) and spoken.KEYS & told.keys():
        return msgspec.json.encode(told)
    return _words(result).encode(errors="replace")


def _told(words: str, *, secrets: set[str]) -> GatewayError:
    failure = failure_in(words) or FailureClass.FORMAT
    return GatewayError(failure, f"the tool failed: {excerpt(words, secrets=secrets)}", retry_after=retry_after_in(words))


class _Watch(httpx2.AsyncHTTPTransport):
    """Counts what comes in, follows nothing, and remembers how the last request went: the SDK tells only that one failed."""

    def __init__(self, called: Called) -> None:
        super().__init__(retries=0)
        self.may_have_arrived = False
        self.secrets = {secret for secret in (called.token, called.headers.session_key) if secret}
        self._left = ANSWER_LIMIT
        self._refused: tuple[int, Mapping[str, str], bytes] | None = None
        self._broken: Exception | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            request.extensions = {**request.extensions, "timeout": httpx2.Timeout(LAST_WORDS_SECONDS).as_dict()}
        if request.method != "POST":
            return await super().handle_async_request(request)
        self._refused = self._broken = None
        is_call = CALL in request.content
        if not is_call:
            # The key is of the call; under it nothing else may be answered.
            request.headers.pop("Idempotency-Key", None)
        try:
            self.may_have_arrived |= is_call
            response = await super().handle_async_request(request)
        except httpx2.TransportError as error:
            self._broken = error
            self.may_have_arrived &= not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise
        if response.is_success:
            return httpx2.Response(response.status_code, headers=response.headers, stream=_Counted(self, response))
        return await self._noted(response)

    async def _noted(self, response: httpx2.Response) -> httpx2.Response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > REFUSAL_LIMIT:
                break
        await response.aclose()
        self._refused = response.status_code, response.headers, bytes(body[:REFUSAL_LIMIT])
        # Without its place a redirect leads nowhere.
        headers = {"content-type": response.headers.get("content-type", "")}
        return httpx2.Response(response.status_code, headers=headers, content=self._refused[2])

    def count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            self._broken = _TooLarge()
            raise httpx2.ReadError("the answer is too large")

    def failure(self, error: Exception, *, now: datetime) -> GatewayError:
        """What the trouble was, from what was seen last."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if self._refused is not None:
            status, headers, body = self._refused
            refusal = refusals.refusal(status, headers, body, secrets=self.secrets, now=now)
            refusal.may_have_arrived = self.may_have_arrived
            return refusal
        if self._broken is not None:
            return self._of_transport(self._broken)
        if isinstance(error, MCPError):
            failure = _BY_CODE.get(error.code) or failure_in(error.message) or FailureClass.REFUSED
            words = excerpt(error.message, secrets=self.secrets)
            return GatewayError(failure, f"the peer answered {error.code}: {words}", may_have_arrived=self.may_have_arrived)
        return GatewayError(
            FailureClass.FORMAT, f"the peer's answer is none ({type(error).__name__})", may_have_arrived=self.may_have_arrived
        )

    def _of_transport(self, error: Exception) -> GatewayError:
        if isinstance(error, _TooLarge):
            return GatewayError(FailureClass.FORMAT, f"the answer is larger than {ANSWER_LIMIT} bytes")
        failure = FailureClass.UNAVAILABLE
        if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
            failure = FailureClass.TIMEOUT
        elif isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
            failure = FailureClass.REFUSED
        return GatewayError(failure, f"no answer ({type(error).__name__})", may_have_arrived=self.may_have_arrived)


class _TooLarge(Exception):
    pass


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, watch: _Watch, response: httpx2.Response) -> None:
        self._watch = watch
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_raw():
            self._watch.count(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
