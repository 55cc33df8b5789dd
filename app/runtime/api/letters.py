"""Dead letters for operators: REST."""

from collections.abc import Awaitable, Callable

from litestar import Response, get, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import B, Call, caller, identity, mutate, read
from app.kernel.errors import Malformed
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import View
from app.runtime import letters
from app.runtime.schemas.letters import (
    CausesView,
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterView,
    Discard,
    Replay,
    ReplayedView,
    ReplayMany,
)
from app.runtime.types import DeadLetterState, ErrorClass

LETTERS = "/api/v1/admin/runtime/dead-letters"
LETTER = f"{LETTERS}/{{letter_id:str}}"
READ, MANAGE = "runtime.read", "runtime.manage"


@get(LETTERS, operation_class=described(view=DeadLetterPage))
async def newest(request: Call) -> Response[bytes]:
    """A page of dead letters, newest first; filters: `state`, `reason_class`, `command_type`, `since`, `until`."""
    asked = letters.Asked(
        state=paging.asked(request, "state", DeadLetterState),
        reason_class=paging.asked(request, "reason_class", ErrorClass),
        command_type=paging.asked(request, "command_type", str),
        since=paging.moment(request, "since"),
        until=paging.moment(request, "until"),
    )
    limit, before = paging.limit(request), paging.cursor(request)
    return await read(request, READ, lambda tx, _: letters.page(tx, asked, limit=limit, before=before))


@get(f"{LETTERS}/analytics", operation_class=described(view=CausesView))
async def causes(request: Call) -> Response[bytes]:
    """Why commands were given up, and what replaying them came to; `since` and `until` bound when the letters were written."""
    since, until = paging.moment(request, "since"), paging.moment(request, "until")
    return await read(request, READ, lambda tx, _: letters.causes(tx, since=since, until=until))


@post(f"{LETTERS}/replay", status_code=200, operation_class=described(body=ReplayMany, view=ReplayedView))
async def replay_many(request: Call) -> Response[bytes]:
    """Replay open letters by cause, the oldest first; call it again, with another key, until nothing remains."""
    return await _once(request, ReplayMany, letters.replay_many)


@get(LETTER, operation_class=described(view=DeadLetterDetail))
async def one(request: Call, letter_id: FromPath[str]) -> Response[bytes]:
    """A letter with what its command carries, and how its attempts ended."""
    wanted = identity(letter_id, kind="dead letter")
    return await read(request, READ, lambda tx, _: letters.one(tx, wanted))


@post(f"{LETTER}/replay", status_code=200, operation_class=described(body=Replay, view=DeadLetterView))
async def replay(request: Call, letter_id: FromPath[str]) -> Response[bytes]:
    """Queue the same command again with a fresh budget."""
    wanted = identity(letter_id, kind="dead letter")
    return await _once(request, Replay, lambda tx, who, _: letters.replay(tx, who, wanted))


@post(f"{LETTER}/discard", status_code=200, operation_class=described(body=Discard, view=DeadLetterView))
async def discard(request: Call, letter_id: FromPath[str]) -> Response[bytes]:
    """Give the command up for good; a lane that waited for it goes on."""
    wanted = identity(letter_id, kind="dead letter")
    return await mutate(request, MANAGE, Discard, lambda tx, who, body: letters.discard(tx, who, wanted, body))


async def _once(request: Call, kind: type[B], act: Callable[[Transaction, Principal, B], Awaitable[View]]) -> Response[bytes]:
    """A replay whose answer got lost must not be repeated by who asks again, so a key is not left to choice."""
    if not request.headers.get("idempotency-key"):
        await caller(request, MANAGE)
        raise Malformed("a replay needs the header `Idempotency-Key`: any text of yours that names this one replay")
    return await mutate(request, MANAGE, kind, act)


ROUTES = (newest, causes, replay_many, one, replay, discard)
