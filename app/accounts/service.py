"""Accounts, and the credentials of the people and agents in them."""

import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

import msgspec

from app.accounts import queries
from app.accounts.types import Scope
from app.events import service as events
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, Role
from app.kernel.wake import IDENTITY

PREFIX_LENGTH = 8
TOKEN_PARTS = 3
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
SCOPES = {ActorKind.PERSON: (Scope.API,), ActorKind.AGENT: (Scope.AGENT,)}


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was found: who it stands for and until when."""

    principal: Principal
    expires_at: datetime | None


class _TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    prefix: str
    hash: str
    person_id: UUID | None
    agent_id: UUID | None
    session_id: UUID | None
    name: str
    scopes: tuple[str, ...]
    created_by_kind: ActorKind
    created_by_id: UUID | None
    expires_at: datetime | None


def new_token() -> tuple[str, str, bytes]:
    """A fresh token, its prefix and its hash; the token itself is never stored."""
    prefix = "".join(secrets.choice(ALPHABET) for _ in range(PREFIX_LENGTH))
    token = f"cb_{prefix}_{secrets.token_urlsafe(32)}"
    return token, prefix, digest(token)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def prefix_of(token: str) -> str:
    parts = token.split("_", TOKEN_PARTS - 1)
    if len(parts) != TOKEN_PARTS or parts[0] != "cb" or len(parts[1]) != PREFIX_LENGTH:
        raise Unauthenticated("this is no token of this board")
    return parts[1]


async def authenticate(connection: object, token: str) -> Credential:
    """The principal of a token, found by its prefix and compared in constant time."""
    row = await connection.fetchrow(queries.AUTHENTICATE, prefix_of(token))  # type: ignore[attr-defined]
    if row is None or not hmac.compare_digest(row["hash"], digest(token)):
        raise Unauthenticated("this token is unknown, expired or revoked")
    principal = Principal(
        kind=ActorKind(row["kind"]),
        id=row["principal_id"],
        account_id=row["account_id"],
        name=row["name"],
        role=Role(row["role"]) if row["role"] else None,
        scopes=frozenset(row["scopes"]),
        token_id=row["token_id"],
        session_id=row["session_id"],
    )
    return Credential(principal=principal, expires_at=row["expires_at"])


def issue_token(  # noqa: PLR0913
    tx: Transaction,
    *,
    principal_kind: ActorKind,
    principal_id: UUID,
    name: str,
    scopes: tuple[str, ...] | None = None,
    created_by: Principal | None,
    expires_at: datetime | None = None,
    session_id: UUID | None = None,
) -> tuple[UUID, str]:
    """Write a new token; answers its id and the token, which nothing can show again."""
    token, prefix, hashed = new_token()
    row = _TokenRow(
        id=new_id(),
        prefix=prefix,
        hash=hashed.hex(),
        person_id=principal_id if principal_kind is ActorKind.PERSON else None,
        agent_id=principal_id if principal_kind is ActorKind.AGENT else None,
        session_id=session_id,
        name=name,
        scopes=scopes or tuple(scope.value for scope in SCOPES[principal_kind]),
        created_by_kind=created_by.kind if created_by else ActorKind.SYSTEM,
        created_by_id=created_by.id if created_by else None,
        expires_at=expires_at,
    )
    tx.put(queries.ISSUE_TOKEN, row)
    payload = {"principal_kind": principal_kind, "principal_id": principal_id, "session_id": session_id}
    payload |= {"name": name, "prefix": prefix}
    events.record(tx, "account:token:issued", entity=("token", row.id), actor=created_by, payload=payload)
    return row.id, token


def revoke_token(tx: Transaction, *, token_id: UUID, actor: Principal) -> None:
    tx.write(queries.REVOKE_TOKEN, tx.account_id, token_id, expect=1)
    events.record(tx, "account:token:revoked", entity=("token", token_id), actor=actor, payload={}, sequence=2)
    tx.wake(IDENTITY, tx.account_id)
