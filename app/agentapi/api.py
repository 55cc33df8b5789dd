"""The agents' routes: one for each registered verb, and `next`."""

import hashlib
from collections.abc import Callable, Iterable

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from app.agentapi import aliases, service
from app.agentapi.calling import Asked
from app.agentapi.calling import call as call_verb
from app.agentapi.schemas import Next, WorkView
from app.agentapi.waiting import Waiting, Watch, awaited
from app.kernel import paging
from app.kernel.edge import JSON, NO_STORE, Call, answered, board, caller, given, gone, origin
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
        return await _called(request, await caller(request, "agent"), verb)

    call.__name__ = verb.name.replace("-", "_")
    call.__doc__ = verb.summary
    shape = described(body=verb.body, view=verb.view, status=verb.status)
    return post(f"/agent/{verb.name}", status_code=verb.status, description=verb.summary, operation_class=shape)(call)


async def _called(request: Call, principal: Principal, verb: Verb) -> Response[bytes]:
    asked = Asked(
        principal=principal,
        origin=origin(request),
        raw=await request.body(),
        key=request.headers.get("idempotency-key"),
        fence=request.headers.get("x-lease-fence"),
        session_key=request.headers.get("x-session-key"),
    )
    stored, is_replay = await call_verb(board(request).database, verb, asked)
    return given(stored, is_replay=is_replay)


def old_routes(verbs: Iterable[Verb]) -> list[HTTPRouteHandler]:
    """The verbs under the names that they had before; their answers say until when, and what to call instead."""
    known = {verb.name: verb for verb in verbs}
    return [_old_route(name, alias.deprecation.headers, known[alias.verb]) for name, alias in aliases.ALIASES.items()]


def _old_route(name: str, headers: dict[str, str], verb: Verb) -> HTTPRouteHandler:
    async def call(request: Call) -> Response[bytes]:
        principal = await caller(request, "agent")
        aliases.use(board(request).database, principal.account_id, name)
        answer = await _called(request, principal, verb)
        answer.headers.update(headers)
        return answer

    call.__name__ = name.replace("-", "_")
    shape = described(body=verb.body, view=verb.view, status=verb.status)
    summary = f"An old name of `{verb.name}`."
    made = post(f"/agent/{name}", status_code=verb.status, description=summary, deprecated=True, operation_class=shape)
    return made(call)


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
    return f'"{hashlib.sha256(msgspec.json.encode(service.identity(work))).hexdigest()[:24]}"'


async def _awaited(
    request: Call, principal: Principal, asked: Next, *, is_news: Callable[[WorkView | None], bool]
) -> WorkView | None:
    waiting: Waiting = request.app.state.waiting
    watch = Watch(
        principal=principal,
        origin=origin(request),
        again=lambda: caller(request, "agent"),
        gone=lambda: gone(request.receive),
        session_key=request.headers.get("x-session-key"),
    )
    return await awaited(board(request).database, waiting, watch, asked, is_news=is_news)


ROUTES = (next_work, next_work_again)
