"""The edge of every HTTP route: who calls, one transaction, one answer."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import State

from app.kernel import idempotency
from app.kernel.db import BUSY, Database, retried
from app.kernel.errors import Missing, Overloaded, Unauthenticated
from app.kernel.idempotency import Stored
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import Body, View, decode

B = TypeVar("B", bound=Body)
Call = Request[Any, Any, State]
JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}
CREATED = 201
_encoder = msgspec.json.Encoder()


class Board:
    """What every route of one process shares; `permit` raises Forbidden, `authenticate` raises Unauthenticated."""

    def __init__(
        self,
        database: Database,
        *,
        authenticate: Callable[[str], Awaitable[Principal]],
        permit: Callable[[Principal, str], None],
    ) -> None:
        self.database = database
        self.authenticate = authenticate
        self.permit = permit


def board(request: Call) -> Board:
    shared: Board = request.app.state.board
    return shared


async def caller(request: Call, action: str) -> Principal:
    """The principal behind the bearer token, allowed to use routes of this kind."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("send your token as `Authorization: Bearer …`")
    principal = await board(request).authenticate(token.strip())
    board(request).permit(principal, action)
    return principal


def origin(request: Call) -> Origin:
    call: Origin = request.scope["state"]["origin"]
    return call


def identity(text: str, *, kind: str) -> UUID:
    """An id from a path; what is no id is absent like any other."""
    try:
        return UUID(text)
    except ValueError:
        raise Missing.thing(kind, text[:64]) from None


async def read(request: Call, action: str, act: Callable[[Transaction, Principal], Awaitable[Any]]) -> Response[bytes]:
    """Answer a question in one transaction."""
    principal = await caller(request, action)
    async with board(request).database.transaction(principal.account_id, origin=origin(request)) as tx:
        view = await act(tx, principal)
    return answered(view)


async def mutate(
    request: Call,
    action: str,
    kind: type[B],
    act: Callable[[Transaction, Principal, B], Awaitable[View | None]],
    *,
    status: int = 200,
) -> Response[bytes]:
    """Do a verb once in one transaction; with an `Idempotency-Key` a repetition gives the stored answer."""
    principal = await caller(request, action)
    raw = await request.body()
    body = decode(raw, kind)
    key = request.headers.get("idempotency-key")
    verb = f"{request.method} {request.url.path}"
    call = idempotency.once(principal, verb=verb, key=key, asked=raw) if key is not None else None

    async def attempt() -> tuple[Stored, bool]:
        async with board(request).database.transaction(principal.account_id, origin=origin(request)) as tx:
            if call and (stored := await idempotency.begin(tx, call)):
                return stored, True
            view = await act(tx, principal, body)
            stored = Stored(status, _encoder.encode(view)) if view is not None else Stored(204, b"")
            if call:
                idempotency.store(tx, call, Stored(stored.status, _encoder.encode(without_secrets(view)) if view else b""))
            return stored, False

    try:
        stored, is_replay = await retried(attempt)
    except BUSY as error:
        raise Overloaded("other calls change the same rows; try again") from error
    headers = {"Idempotent-Replayed": "true"} if is_replay else {}
    return Response(stored.answer, status_code=stored.status, media_type=JSON, headers=NO_STORE | headers)


def without_secrets(view: View) -> View:
    """The answer as it may be kept: a token is shown once and never stored."""
    return msgspec.structs.replace(view, token=None) if getattr(view, "token", None) else view


def answered(view: Any, *, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(_encoder.encode(view), media_type=JSON, headers=NO_STORE | (headers or {}))
