"""The log for people: REST, and a stream of Server-Sent Events."""

import asyncio
from typing import Annotated
from uuid import UUID

import structlog
from litestar import Response, get
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from app.events import reading
from app.events.schemas import EventPage
from app.events.streaming import Reader, Streams, follow
from app.events.types import Wanted
from app.kernel import paging, sockets
from app.kernel.edge import Call, board, caller, gone, origin, read
from app.kernel.errors import Invalid
from app.kernel.openapi import described
from app.kernel.types import Principal
from app.kernel.wire import convert

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
RESUMED = "Last-Event-ID"
HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
PIECE_BYTES = 65_536
OK = 200
log = structlog.get_logger()


@get("/api/v1/events", operation_class=described(view=EventPage))
async def events(request: Call) -> Response[bytes]:
    """Events in commit order behind `after`; `type` keeps those whose type starts with it."""
    seq = paging.asked(request, "after", Seq) or 0
    prefix, limit = paging.asked(request, "type", str), paging.limit(request)
    return await read(request, "events.read", lambda tx, _: reading.after(tx, seq=seq, type_prefix=prefix, limit=limit))


@get("/api/v1/events/stream", operation_class=described())
async def stream(request: Call) -> ASGIApp:
    """Events as they happen, as Server-Sent Events: `id` is the event's seq, `event` its type, `data` the event as JSON.

    They begin behind the header `Last-Event-ID` or the parameter `after`, otherwise now; `type` keeps those whose type starts
    with it, `entity_kind` and `entity_id` those of one kind or entity. A comment is sent while nothing happens.
    """
    principal = await caller(request, "events.read")
    wanted = Wanted(
        type_prefix=paging.asked(request, "type", str),
        entity_kind=paging.asked(request, "entity_kind", str),
        entity_id=paging.asked(request, "entity_id", UUID),
    )
    return EventStream(request, principal, wanted, after=_resumed(request))


def _resumed(request: Call) -> int | None:
    # A client that was cut off asks for the same address again, and says with the header how far it came.
    given = request.headers.get(RESUMED)
    if not given:
        return paging.asked(request, "after", Seq)
    try:
        return convert(given, Seq)
    except Invalid as error:
        raise Invalid.field(RESUMED, error.message) from None


class EventStream:
    """The answer that goes on; its client is cut off when it takes nothing for too long."""

    def __init__(self, request: Call, principal: Principal, wanted: Wanted, *, after: int | None) -> None:
        self._request = request
        self._principal = principal
        self._wanted = wanted
        self._after = after
        self._streams: Streams = request.app.state.streams
        self._is_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = Reader(
            principal=self._principal,
            origin=origin(self._request),
            wanted=self._wanted,
            again=lambda: caller(self._request, "events.read"),
            gone=lambda: gone(receive),
            put=lambda data: self._put(send, data),
        )
        is_new = self._after is None
        database = board(self._request).database
        position = await self._now() if self._after is None else self._after
        try:
            await follow(self._streams, database, reader, position=position, is_new=is_new)
            await self._send(send, b"", is_more=False)
        except TimeoutError:
            log.info("stream_cut_off", account_id=str(self._principal.account_id))
            _cut_off(scope)

    async def _now(self) -> int:
        async with board(self._request).database.transaction(self._principal.account_id, origin=origin(self._request)) as tx:
            return await reading.head(tx)

    async def _put(self, send: Send, data: bytes) -> None:
        if not self._is_begun:
            await send({"type": "http.response.start", "status": OK, "headers": HEADERS})
            self._is_begun = True
        # In pieces, so that a client which is only slow takes each in time.
        for start in range(0, len(data), PIECE_BYTES):
            await self._send(send, data[start : start + PIECE_BYTES], is_more=True)

    async def _send(self, send: Send, piece: bytes, *, is_more: bool) -> None:
        async with asyncio.timeout(self._streams.limits.stall_seconds):
            await send({"type": "http.response.body", "body": piece, "more_body": is_more})


def _cut_off(scope: Scope) -> None:
    """Close the connection, which may still hold what its client never took; one that carries other calls is left."""
    client, server = scope.get("client"), scope.get("server")
    if client and server and server[1] and scope["http_version"].startswith("1"):
        # The server gives ports as text.
        sockets.broken(port=int(server[1]), peer=(client[0], int(client[1])))


ROUTES = (events, stream)
