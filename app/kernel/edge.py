"""The edge of every HTTP route: who calls, one transaction, one answer."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from litestar import Request, Response
from litestar.datastructures import State
from litestar.types import Receive

from app.kernel.db import Database
from app.kernel.errors import Missing, Unauthenticated
from app.kernel.idempotency import Stored
from app.kernel.once import Ask, encoded, perform
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import Body, View, decode

B = TypeVar("B", bound=Body)
Call = Request[Any, Any, State]
JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}
OK = 200
CREATED = 201
PATH_MOST = 1_000


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


async def gone(receive: Receive) -> None:
    """Wait until the client goes away; whoever asks has read the body."""
    while (await receive())["type"] != "http.disconnect":
        continue


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
    status: int | Callable[[View], int] = OK,
) -> Response[bytes]:
    """Do a verb once in one transaction; with an `Idempotency-Key` a repetition gives the stored answer."""
    principal = await caller(request, action)
    path = request.url.path
    # A verb is stored with its key, where PostgreSQL takes neither this character nor a row of any length.
    if len(path) > PATH_MOST or "\x00" in path:
        raise Missing("there is nothing at this path")
    raw = await request.body()
    body = decode(raw, kind)
    verb = f"{request.method} {path}"
    ask = Ask(principal=principal, origin=origin(request), verb=verb, raw=raw, key=request.headers.get("idempotency-key"))
    stored, is_replay = await perform(board(request).database, ask, lambda tx: act(tx, principal, body), status=status)
    return given(stored, is_replay=is_replay)


def given(stored: Stored, *, is_replay: bool) -> Response[bytes]:
    headers = {"Idempotent-Replayed": "true"} if is_replay else {}
    return Response(stored.answer, status_code=stored.status, media_type=JSON, headers=NO_STORE | headers)


def answered(view: Any, *, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(encoded(view), media_type=JSON, headers=NO_STORE | (headers or {}))
