"""A mutation of any transport: one transaction, once per idempotency key, again where the database gave way."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from app.kernel import idempotency
from app.kernel.db import BUSY, Database, retried
from app.kernel.errors import Overloaded
from app.kernel.idempotency import Stored
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import View

NO_CONTENT = 204
_encoder = msgspec.json.Encoder()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, by whom; `key` makes a repetition of the same `raw` under the same `verb` give the stored answer."""

    principal: Principal
    origin: Origin
    verb: str
    raw: bytes
    key: str | None = None


async def perform(
    database: Database,
    ask: Ask,
    act: Callable[[Transaction], Awaitable[View | None]],
    *,
    status: int | Callable[[View], int] = 200,
    admit: Callable[[Transaction], Awaitable[object]] | None = None,
) -> tuple[Stored, bool]:
    """The answer, and whether it was given before; `admit` raises when the caller may not have it again.

    `status` is that of a success, which may depend on what it is.
    """
    call = _call(ask)

    async def attempt() -> tuple[Stored, bool]:
        async with database.transaction(ask.principal.account_id, origin=ask.origin) as tx:
            if call and (stored := await idempotency.begin(tx, call)):
                if admit is not None:
                    await admit(tx)
                return stored, True
            view = await act(tx)
            stored = answered(view, status)
            if call:
                idempotency.store(tx, call, Stored(stored.status, _encoder.encode(without_secrets(view)) if view else b""))
            return stored, False

    try:
        answer: tuple[Stored, bool] = await retried(attempt)
    except BUSY as error:
        raise Overloaded("other calls change the same rows; try again") from error
    return answer


async def is_known(tx: Transaction, ask: Ask) -> bool:
    """Whether this key has an answer already, so that `perform` will not act."""
    call = _call(ask)
    return call is not None and await idempotency.is_answered(tx, call)


def _call(ask: Ask) -> idempotency.Once | None:
    """What is repeatable about it, None without a key."""
    return None if ask.key is None else idempotency.once(ask.principal, verb=ask.verb, key=ask.key, asked=ask.raw)


def answered(view: View | None, status: int | Callable[[View], int]) -> Stored:
    """A success as the caller gets it."""
    return Stored(NO_CONTENT, b"") if view is None else Stored(_status(view, status), _encoder.encode(view))


def _status(view: View, status: int | Callable[[View], int]) -> int:
    return status if isinstance(status, int) else status(view)


def without_secrets(view: View) -> View:
    """The answer as it may be kept: a token is shown once and never stored."""
    return msgspec.structs.replace(view, token=None) if getattr(view, "token", None) else view


def encoded(view: Any) -> bytes:
    return _encoder.encode(view)
