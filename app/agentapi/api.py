"""The agents' routes: one for each registered verb, and `next`."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from app.agentapi import service
from app.agentapi.schemas import WAIT_MOST, Next, WorkView
from app.agentapi.waiting import Waiting
from app.kernel import paging
from app.kernel.edge import JSON, NO_STORE, Call, answered, board, caller, mutate, origin
from app.kernel.openapi import described
from app.kernel.types import Principal
from app.kernel.wire import decode
from app.policies.verbs import Verb

NOTHING = 204
UNCHANGED = 304


def routes(verbs: Iterable[Verb]) -> list[HTTPRouteHandler]:
    """`POST /agent/<verb>` for every verb; MCP and tool calls are made from the same declarations."""
    return [_route(verb) for verb in verbs]


def _route(verb: Verb) -> HTTPRouteHandler:
    async def call(request: Call) -> Response[bytes]:
        return await mutate(request, "agent", verb.body, verb.act, status=verb.status)

    call.__name__ = verb.name.replace("-", "_")
    call.__doc__ = verb.summary
    shape = described(body=verb.body, view=verb.view, status=verb.status)
    return post(f"/agent/{verb.name}", status_code=verb.status, description=verb.summary, operation_class=shape)(call)


@post("/agent/next", status_code=200, operation_class=described(body=Next, view=WorkView))
async def next_work(request: Call) -> Response[bytes]:
    """What to do now; waits for it, and answers 204 when nothing came."""
    principal = await caller(request, "agent")
    asked = decode(await request.body(), Next)
    found = await _awaited(request, principal, asked, is_news=lambda _: True)
    return answered(found) if found is not None else Response(b"", status_code=NOTHING, headers=NO_STORE)


@get("/agent/next", operation_class=described(view=WorkView))
async def next_work_again(request: Call) -> Response[bytes]:
    """The same with an ETag: an answer that the caller has already is awaited to change, then 304."""
    principal = await caller(request, "agent")
    wait = paging.asked(request, "wait", float)
    asked = Next() if wait is None else Next(wait=max(0.0, wait))
    known = request.headers.get("if-none-match", "")
    found = await _awaited(request, principal, asked, is_news=lambda work: _etag(work) != known)
    tag = _etag(found)
    if known == tag:
        return Response(b"", status_code=UNCHANGED, headers=NO_STORE | {"ETag": tag})
    if found is None:
        return Response(b"", status_code=NOTHING, media_type=JSON, headers=NO_STORE | {"ETag": tag})
    return answered(found, headers={"ETag": tag})


def _etag(work: WorkView | None) -> str:
    about = None if work is None else (work.kind, work.ack, work.task and (work.task.id, work.task.version))
    return f'"{hashlib.sha256(msgspec.json.encode(about)).hexdigest()[:24]}"'


async def _awaited(
    request: Call, principal: Principal, asked: Next, *, is_news: Callable[[WorkView | None], bool]
) -> WorkView | None:
    """Look, and look again after each wake-up until the time is over; nothing is held while waiting."""
    waiting: Waiting = request.app.state.waiting
    clock = asyncio.get_running_loop().time
    until = clock() + min(asked.wait, WAIT_MOST)
    acks: list[Any] = asked.ack
    with waiting.place(principal.account_id, principal.id) as woken:
        while True:
            woken.clear()
            found = await _looked(request, principal, acks)
            acks = []
            left = until - clock()
            if (found is not None and is_news(found)) or left <= 0:
                return found
            if not await _set_within(woken, left):
                return found
            # The token may have been revoked, or its agent retired, while it waited.
            principal = await caller(request, "agent")


async def _looked(request: Call, principal: Principal, acks: list[Any]) -> WorkView | None:
    async with board(request).database.transaction(principal.account_id, origin=origin(request)) as tx:
        await service.acknowledge(tx, principal, acks)
        return await service.work(tx, principal)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


ROUTES = (next_work, next_work_again)
