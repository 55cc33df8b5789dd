"""Sends a frozen prompt to an agent's gateway and brings back the raw answer."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx
import msgspec

from app.delivery.types.runs import FailureClass, GatewayError, RawAnswer, SendHeaders

ANSWER_LIMIT = 8 * 1024 * 1024
REFUSAL_LIMIT = 64 * 1024
EXCERPT_LIMIT = 300
CONNECT_TIMEOUT = 10.0
RETRY_AFTER_LIMIT = 86_400.0

_PORTS = range(1, 2**16)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_FAILURE_BY_STATUS: dict[int, FailureClass] = {
    HTTPStatus.UNAUTHORIZED: FailureClass.AUTH,
    HTTPStatus.FORBIDDEN: FailureClass.AUTH,
    HTTPStatus.REQUEST_TIMEOUT: FailureClass.TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS: FailureClass.RATE_LIMITED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    agent_slug: str
    session_key: str = field(repr=False)
    instructions: str
    input: str


def encode_request(request: GatewayRequest) -> bytes:
    """Make the body that is frozen at the first send and sent again unchanged."""
    body: dict[str, object] = {
        "model": f"openclaw:{request.agent_slug}",
        "input": request.input,
        "stream": False,
        "user": request.session_key,
    }
    if request.instructions:
        body["instructions"] = request.instructions
    return msgspec.json.encode(body)


async def send(client: httpx.AsyncClient, *, endpoint: Endpoint, body: bytes, headers: SendHeaders, now: datetime) -> RawAnswer:
    """Post the body once and return the 2xx answer; everything else is a GatewayError."""
    secrets = _secrets(endpoint, headers)
    try:
        async with asyncio.timeout(endpoint.timeout):
            # Built here and not by the client, whose cookie jar would carry one account's session to another's.
            request = _request(endpoint, body=body, headers=headers)
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await _read(response, secrets=secrets, now=now)
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
    url = httpx.URL(f"{endpoint.url.rstrip('/')}/v1/responses")
    # The socket would raise an error that is none of the client's.
    if url.port is not None and url.port not in _PORTS:
        raise httpx.InvalidURL("port")
    named: dict[str, str | int | None] = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        # Compressed answers could grow without bound after the count.
        "Accept-Encoding": "identity",
        "x-openclaw-session-key": headers.session_key,
        "x-openclaw-agent-id": headers.agent_slug,
        "Idempotency-Key": headers.idempotency_key,
        "X-Lane-Seq": headers.lane_seq,
        "X-Lane-Epoch": headers.lane_epoch,
        "X-Request-ID": headers.request_id,
        "traceparent": headers.traceparent,
    }
    if endpoint.token:
        named["Authorization"] = f"Bearer {endpoint.token}"
        # The client would put basic authorization from the address in the place of the token.
        url = url.copy_with(userinfo=b"")
    timeout = httpx.Timeout(endpoint.timeout, connect=min(CONNECT_TIMEOUT, endpoint.timeout))
    present = {name: str(value) for name, value in named.items() if value is not None}
    return httpx.Request("POST", url, headers=present, content=body, extensions={"timeout": timeout.as_dict()})


async def _read(response: httpx.Response, *, secrets: Iterable[str], now: datetime) -> RawAnswer:
    if not response.is_success:
        excerpt, _ = await _bounded(response, REFUSAL_LIMIT)
        raise _refusal(response, excerpt=_redact(excerpt.decode(errors="replace"), secrets=secrets), now=now)
    body, complete = await _bounded(response, ANSWER_LIMIT)
    if not complete:
        raise GatewayError(FailureClass.FORMAT, f"the answer is larger than {ANSWER_LIMIT} bytes", status=response.status_code)
    return RawAnswer(response.status_code, response.headers.get("content-type", ""), body)


async def _bounded(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), False
    return bytes(body), True


def _refusal(response: httpx.Response, *, excerpt: str, now: datetime) -> GatewayError:
    status = response.status_code
    default = FailureClass.UNAVAILABLE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureClass.REFUSED
    failure = _FAILURE_BY_STATUS.get(status, default)
    heeded = failure is FailureClass.RATE_LIMITED or status == HTTPStatus.SERVICE_UNAVAILABLE
    words = " ".join(excerpt.split())[:EXCERPT_LIMIT]
    return GatewayError(
        failure,
        f"the gateway answered {status}: {words}" if words else f"the gateway answered {status}",
        status=status,
        retry_after=_retry_after(response.headers.get("retry-after", ""), now=now) if heeded else None,
    )


def _retry_after(value: str, *, now: datetime) -> float | None:
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return min(float(value), RETRY_AFTER_LIMIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), RETRY_AFTER_LIMIT)


def _secrets(endpoint: Endpoint, headers: SendHeaders) -> list[str]:
    userinfo = re.match(r"[a-z][a-z0-9+.-]*://([^/?#]*)@", endpoint.url, re.IGNORECASE)
    parts = userinfo[1].split(":", 1) if userinfo else []
    return sorted({part for part in (endpoint.token, headers.session_key, *parts) if part}, key=len, reverse=True)


def _redact(text: str, *, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
