"""One shape for every error, on every route, and the ids that every answer carries."""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException as FrameworkError
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.kernel.errors import STATUS, CallboardError, Code
from app.kernel.ids import new_id
from app.kernel.refusals import DEFECT, content
from app.kernel.remarks import heard
from app.kernel.types import Origin

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
PROBLEM = "application/problem+json"
FRAMEWORK_CODES = {
    400: Code.MALFORMED_REQUEST,
    401: Code.UNAUTHENTICATED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.PAYLOAD_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
    422: Code.VALIDATION_FAILED,
    429: Code.RATE_LIMITED,
    503: Code.OVERLOADED,
}
log = structlog.get_logger()


class Identified:
    """Gives every call its request and correlation id, and every answer the header, whoever made the answer.

    `through` wraps the application once more, with the ids known.
    """

    def __init__(self, app: ASGIApp, *, through: Callable[[ASGIApp], ASGIApp] | None = None) -> None:
        self.app = app
        self._inner = through(app) if through else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        call = _origin(dict(scope["headers"]))
        scope.setdefault("state", {})["origin"] = call
        request_id = call.request_id.encode()

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                message["headers"] = [*given, (b"x-request-id", request_id), *_remarked(given, remarks)]
            await send(message)

        known = structlog.contextvars.bound_contextvars(request_id=call.request_id, correlation_id=call.correlation_id)
        with known, heard() as remarks:
            await self._inner(scope, receive, identified)


def _remarked(given: Iterable[tuple[bytes, bytes]], remarks: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What was remarked on the way; a header that the answer has already stays as it is."""
    if not remarks:
        return []
    known = {name.lower() for name, _ in given}
    found = [(name.lower().encode(), value.encode("latin-1")) for name, value in remarks.items()]
    return [one for one in found if one[0] not in known]


def _origin(headers: dict[bytes, bytes]) -> Origin:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    request_id = given if REQUEST_ID.fullmatch(given) else str(new_id())
    correlation = headers.get(b"x-correlation-id", b"").decode("latin-1")
    trace = TRACEPARENT.fullmatch(headers.get(b"traceparent", b"").decode("latin-1"))
    if not REQUEST_ID.fullmatch(correlation):
        correlation = trace[1] if trace else secrets.token_hex(16)
    return Origin(request_id=request_id, correlation_id=correlation, source="http")


def on_refusal(request: Request[Any, Any, Any], error: CallboardError) -> Response[bytes]:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if error.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return _rendered(request, error.code, error.message, error.details, status=STATUS[error.code], headers=headers)


def on_framework(request: Request[Any, Any, Any], error: FrameworkError) -> Response[bytes]:
    code = FRAMEWORK_CODES.get(error.status_code, Code.INTERNAL if error.status_code >= 500 else Code.MALFORMED_REQUEST)  # noqa: PLR2004
    words = {Code.NOT_FOUND: "there is nothing at this path", Code.METHOD_NOT_ALLOWED: "this path has no such method"}
    headers = {key: value for key, value in (error.headers or {}).items() if key.lower() == "allow"}
    message = words.get(code) or (error.detail if code is not Code.INTERNAL else "something went wrong here")
    return _rendered(request, code, message, {}, status=STATUS[code], headers=headers)


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("internal", path=request.url.path, exc_info=error)
    return _rendered(request, Code.INTERNAL, DEFECT, {}, status=500, headers={})


def _rendered(
    request: Request[Any, Any, Any], code: Code, message: str, details: dict[str, object], *, status: int, headers: dict[str, str]
) -> Response[bytes]:
    call: Origin = request.scope["state"]["origin"]
    if PROBLEM in request.headers.get("accept", ""):
        problem = {"type": f"urn:callboard:error:{code}", "title": code.replace("_", " "), "status": status, "detail": message}
        problem |= {"code": code, "details": details, "request_id": call.request_id}
        return Response(msgspec.json.encode(problem), status_code=status, media_type=PROBLEM, headers=headers)
    body = msgspec.json.encode(content(code, message, details, call))
    return Response(body, status_code=status, media_type="application/json", headers=headers)
