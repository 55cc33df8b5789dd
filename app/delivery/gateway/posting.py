"""One request to a gateway over HTTP: bounded, not redirected, and its failures in classes."""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from app.delivery.gateway import refusals
from app.delivery.gateway.events import Events, is_stream
from app.delivery.types.runs import FailureClass, GatewayError, RawAnswer, SendHeaders

ANSWER_LIMIT = 8 * 1024 * 1024
REFUSAL_LIMIT = 64 * 1024
CONNECT_TIMEOUT = 10.0

_PORTS = range(1, 2**16)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`url` is all of the address; `ends` says of a stream's event that nothing comes after it."""

    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 300.0
    ends: Callable[[str], bool] = lambda _: False
    accept: str = "application/json"


async def post(client: httpx.AsyncClient, endpoint: Endpoint, *, body: bytes, headers: SendHeaders, now: datetime) -> RawAnswer:
    """Post the body once and return the 2xx answer; everything else is a GatewayError."""
    secrets = _secrets(endpoint, headers)
    try:
        async with asyncio.timeout(endpoint.timeout):
            # Built here and not by the client, whose cookie jar would carry one account's session to another's.
            request = _request(endpoint, body=body, headers=headers)
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await _read(response, endpoint, secrets=secrets, now=now)
            finally:
                await response.aclose()
    # The cause of each is cut off: it may quote a header or the address.
    except _NEVER_SENT as error:
        raise _failure(FailureClass.UNAVAILABLE, "no connection", error, may_have_arrived=False) from None
    except (TimeoutError, httpx.TimeoutException) as error:
        raise _failure(FailureClass.TIMEOUT, "no answer in time", error) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
        raise _failure(FailureClass.REFUSED, "the request cannot be sent", error, may_have_arrived=False) from None
    except httpx.TransportError as error:
        raise _failure(FailureClass.UNAVAILABLE, "the connection broke", error) from None


def _failure(failure: FailureClass, message: str, error: Exception, *, may_have_arrived: bool = True) -> GatewayError:
    return GatewayError(failure, f"{message} ({type(error).__name__})", may_have_arrived=may_have_arrived)


def _request(endpoint: Endpoint, *, body: bytes, headers: SendHeaders) -> httpx.Request:
    url = httpx.URL(endpoint.url)
    # The socket would raise an error that is none of the client's.
    if url.port is not None and url.port not in _PORTS:
        raise httpx.InvalidURL("port")
    named = _named(headers) | {"Accept": endpoint.accept}
    if endpoint.token:
        named["Authorization"] = f"Bearer {endpoint.token}"
        # The client would put basic authorization from the address in the place of the token.
        url = url.copy_with(userinfo=b"")
    timeout = httpx.Timeout(endpoint.timeout, connect=min(CONNECT_TIMEOUT, endpoint.timeout))
    present = {name: str(value) for name, value in named.items() if value is not None}
    return httpx.Request("POST", url, headers=present, content=body, extensions={"timeout": timeout.as_dict()})


def _named(headers: SendHeaders) -> dict[str, str | int | None]:
    return {
        "Content-Type": "application/json",
        # Compressed answers could grow without bound after the count.
        "Accept-Encoding": "identity",
        "x-openclaw-session-key": headers.session_key,
        "x-openclaw-agent-id": headers.gateway_id,
        "Idempotency-Key": headers.idempotency_key,
        "X-Lane-Seq": headers.lane_seq,
        "X-Lane-Epoch": headers.lane_epoch,
        "X-Request-ID": headers.request_id,
        "traceparent": headers.traceparent,
    }


async def _read(response: httpx.Response, endpoint: Endpoint, *, secrets: Iterable[str], now: datetime) -> RawAnswer:
    if not response.is_success:
        excerpt, _ = await _bounded(response, REFUSAL_LIMIT)
        raise refusals.refusal(response.status_code, response.headers, excerpt, secrets=secrets, now=now)
    content_type = response.headers.get("content-type", "")
    ends = endpoint.ends if is_stream(content_type) else None
    body, complete = await _bounded(response, ANSWER_LIMIT, ends=ends)
    if not complete:
        raise GatewayError(FailureClass.FORMAT, f"the answer is larger than {ANSWER_LIMIT} bytes", status=response.status_code)
    return RawAnswer(response.status_code, content_type, body)


async def _bounded(response: httpx.Response, limit: int, *, ends: Callable[[str], bool] | None = None) -> tuple[bytes, bool]:
    body, events = bytearray(), Events()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), False
        # A server may keep the connection open after its last event.
        if ends is not None and any(ends(data) for data in events.feed(chunk)):
            break
    return bytes(body), True


def _secrets(endpoint: Endpoint, headers: SendHeaders) -> list[str]:
    userinfo = re.match(r"[a-z][a-z0-9+.-]*://([^/?#]*)@", endpoint.url, re.IGNORECASE)
    parts = userinfo[1].split(":", 1) if userinfo else []
    return sorted({part for part in (endpoint.token, headers.session_key, *parts) if part}, key=len, reverse=True)


def versioned(url: str, path: str) -> str:
    """The address of `path` under version 1 of an API; the base may end with the version already."""
    base = url.rstrip("/")
    return f"{base}/{path}" if base.endswith("/v1") else f"{base}/v1/{path}"
