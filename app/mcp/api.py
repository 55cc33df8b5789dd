"""The route of the MCP server: who calls, from where, and how much; then the SDK answers."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, asgi
from litestar.exceptions import MethodNotAllowedException
from litestar.types import Receive, Scope, Send

from app.kernel.edge import Call, board, caller, gone, origin
from app.kernel.errors import Forbidden, Invalid, TooLarge
from app.mcp.types import CALLER, EVERYTHING, Caller, Endpoint
from app.policies.verbs import Toolset
from app.runtime.rules.settings import FEATURE_MCP

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
# Whatever a client says it takes, it is answered in JSON.
NEGOTIATED = {b"accept": b"application/json, text/event-stream", b"content-type": b"application/json"}


@asgi("/mcp", copy_scope=True)
async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    """MCP over Streamable HTTP."""
    request: Call = Request(scope, receive, send)
    here: Endpoint = request.app.state.mcp_endpoint
    if request.method != "POST":
        # There is no stream to open and no session to end.
        raise MethodNotAllowedException(headers={"Allow": "POST"})
    principal = await caller(request, "agent")
    if not board(request).database.controls.flag(principal.account_id, FEATURE_MCP):
        raise Forbidden("this account does not use MCP: feature.mcp is off", reason="feature_off")
    refuse_foreign_page(request.headers.get("origin"), sites=here.sites)
    who = Caller(
        principal=principal,
        origin=msgspec.structs.replace(origin(request), source="mcp"),
        again=lambda: caller(request, "agent"),
        gone=lambda: gone(receive),
        toolsets=wanted_toolsets(request.query_params.getall("toolset", [])),
        key=request.headers.get("idempotency-key"),
        session_key=request.headers.get("x-session-key"),
    )
    body = await _read(receive, most=here.most)
    headers = [(name, value) for name, value in scope["headers"] if name not in NEGOTIATED]
    inner = {**scope, "headers": [*headers, *NEGOTIATED.items()], "state": {**scope["state"], CALLER: who}}
    await request.app.state.mcp.handle_request(inner, _replayed(body), send)


def refuse_foreign_page(page: str | None, *, sites: frozenset[str]) -> None:
    """Refuse pages of other sites.

    Browsers say where a page is from and other clients do not, so a rebound DNS name is refused under whatever `Host` it comes.
    """
    if page is None or page in sites or _host(page) in HERE:
        return
    raise Forbidden("pages of this origin may not call; see CALLBOARD_PUBLIC_URL", reason="origin_refused")


def _host(page: str) -> str | None:
    try:
        return urlsplit(page).hostname
    except ValueError:
        return None


def wanted_toolsets(said: list[str]) -> frozenset[str]:
    """The toolsets that `?toolset=` names."""
    names = {name.strip() for text in said for name in text.split(",") if name.strip()}
    if unknown := names - {*Toolset, EVERYTHING}:
        known = ", ".join((*Toolset, EVERYTHING))
        raise Invalid.field("toolset", f"{min(unknown)[:64]!r} is none of {known}")
    return frozenset(Toolset) if EVERYTHING in names else frozenset(names)


async def _read(receive: Receive, *, most: int) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message["body"]
        if len(body) > most:
            raise TooLarge(f"the body may be at most {most} bytes")
        more = message["more_body"]
    return bytes(body)


def _replayed(body: bytes) -> Receive:
    """The body once more; what the client does next is watched here and by nobody else."""
    first: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return first.pop() if first else await asyncio.Future()

    return replay


ROUTES = (endpoint,)
