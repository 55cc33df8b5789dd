"""A call with an `Idempotency-Key` happens once: its answer is stored with its effects and given again."""

import hashlib
from typing import Any

import asyncpg
import msgspec

from app.kernel import queries
from app.kernel.errors import IdempotencyInFlight, IdempotencyMismatch, Invalid
from app.kernel.transaction import Transaction
from app.kernel.types import Principal

KEY_LIMIT = 255
KEPT_SECONDS = 86_400


class Stored(msgspec.Struct, frozen=True):
    status: int
    answer: bytes


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """One repeatable call: who calls which verb with which key, and the fingerprint of what was asked."""

    principal: Principal
    verb: str
    key: str
    fingerprint: bytes


def once(principal: Principal, *, verb: str, key: str, asked: bytes) -> Once:
    if not 1 <= len(key) <= KEY_LIMIT or not key.isprintable():
        raise Invalid.field("Idempotency-Key", f"must be 1 to {KEY_LIMIT} printable characters")
    return Once(principal=principal, verb=verb, key=key, fingerprint=hashlib.sha256(asked).digest())


async def begin(tx: Transaction, call: Once) -> Stored | None:
    """Claim the key in this transaction, or answer what it gave before; a call that holds it now is waited for."""
    arguments = (tx.account_id, call.principal.id, call.verb, call.key)
    try:
        row = await tx.row(queries.CLAIM_KEY, *arguments, call.fingerprint, float(KEPT_SECONDS))
    except asyncpg.LockNotAvailableError as error:
        raise IdempotencyInFlight("the first call with this key is still running; try again", key=call.key) from error
    if row is not None:
        return None
    held: Any = await tx.row(queries.HIT_KEY, *arguments)
    if held["request_hash"] != call.fingerprint:
        raise IdempotencyMismatch("this idempotency key was used for another request", key=call.key)
    return Stored(held["status"], held["answer"])


async def is_answered(tx: Transaction, call: Once) -> bool:
    """Whether its first call has ended; claims nothing."""
    return bool(await tx.value(queries.IS_ANSWERED, tx.account_id, call.principal.id, call.verb, call.key))


def store(tx: Transaction, call: Once, stored: Stored) -> None:
    tx.write(queries.STORE_ANSWER, tx.account_id, call.principal.id, call.verb, call.key, stored.status, stored.answer, expect=1)
