"""Calling a verb: the one way in for HTTP, MCP and function calls."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from app.agents import sessions
from app.kernel import once
from app.kernel.db import Database
from app.kernel.errors import Invalid
from app.kernel.idempotency import Stored
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import Body, View, decode
from app.policies import service as policies
from app.policies.verbs import Errand, Ran, Verb

Admitted = Callable[[Transaction], Awaitable[Principal]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One call as its transport brings it; `fence` and `session_key` are what came beside the body."""

    principal: Principal
    origin: Origin
    raw: bytes
    key: str | None = None
    fence: str | None = None
    session_key: str | None = None


async def call(database: Database, verb: Verb, asked: Asked) -> tuple[Stored, bool]:
    """The stored answer and whether it is a repetition; refusals are raised."""
    body = fenced(decode(asked.raw, verb.body), asked.fence)
    ask = once.Ask(
        principal=asked.principal,
        origin=asked.origin,
        verb=verb.name,
        raw=once.encoded(body),
        key=None if verb.reads else asked.key,
    )

    async def admitted(tx: Transaction) -> Principal:
        policies.admit(tx, asked.principal, verb.action)
        return await sessions.continued(tx, asked.principal, asked.session_key)

    given = body if verb.errand is None else await _ran(database, verb.errand, ask, body, admitted)

    async def act(tx: Transaction) -> View | None:
        return await verb.act(tx, await admitted(tx), given)

    return await once.perform(database, ask, act, status=verb.status, admit=admitted)


async def _ran(database: Database, errand: Errand, ask: once.Ask, body: Body, admitted: Admitted) -> Ran:
    """Go out for a verb; one whose answer is stored already is not done again."""
    async with database.transaction(ask.principal.account_id, origin=ask.origin) as tx:
        principal = await admitted(tx)
        if await once.is_known(tx, ask):
            return Ran(body, None, None)
        prepared = await errand.prepare(tx, principal, body)
    return Ran(body, prepared, await errand.run(prepared, database.outside))


def fenced(body: Body, header: str | None) -> Body:
    """The body with the fence of the header in it; two fences that differ are the caller's mistake."""
    if header is None or not hasattr(body, "fence"):
        return body
    if not header.strip().isdecimal():
        raise Invalid.field("X-Lease-Fence", "must be a whole number")
    wanted = int(header)
    said: Any = body.fence
    if said is not None and said != wanted:
        raise Invalid.field("fence", "differs from the header X-Lease-Fence")
    return msgspec.structs.replace(body, fence=wanted)
