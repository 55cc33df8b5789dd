"""The words that every room speaks: who acts, and on whose behalf."""

from enum import StrEnum
from uuid import UUID

import msgspec


class ActorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who a credential stands for; every author and actor comes from here, never from a body."""

    kind: ActorKind
    id: UUID
    account_id: UUID
    name: str
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    token_id: UUID | None = None
    session_id: UUID | None = None


def the_board(account_id: UUID) -> Principal:
    """The board itself, when it moves a card that nobody asked it to move."""
    return Principal(kind=ActorKind.SYSTEM, id=UUID(int=0), account_id=account_id, name="Callboard")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a change comes from: ids of its call and causal chain, and how many causes lie before it."""

    request_id: str
    correlation_id: str
    source: str
    cause_id: UUID | None = None
    depth: int = 0
