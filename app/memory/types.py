"""The words of memory: whose it is, what a version of it is, and who may come to it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from app.kernel.types import ActorKind, Role

CONTENT_MOST_BYTES = 65_536
NAME_MOST = 200
# What handlers keep between attempts begins so; callers may read it and not write it.
CHECKPOINT = "checkpoint:"


class Scope(StrEnum):
    """Who shares an item: one run of work, one agent, or one person."""

    RUN = "run"
    AGENT = "agent"
    USER = "user"


class Tier(StrEnum):
    WORKING = "working"
    LONG_TERM = "long_term"


class MemoryState(StrEnum):
    ACTIVE = "active"
    DELETED = "deleted"


class Reach(StrEnum):
    """How near somebody comes to a scope; for whom it is absent, it does not exist."""

    ABSENT = "absent"
    READ = "read"
    WRITE = "write"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The scope as it stands to the caller: whether its run, agent or person exists, and whether it is the caller's own."""

    is_there: bool
    is_own: bool


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    kind: ActorKind
    role: Role | None


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The newest version of a name; `created_at` is when its item began."""

    memory_id: UUID
    version: int
    state: MemoryState
    tier: Tier
    created_at: datetime
    expires_at: datetime | None


class Succession(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next version of a name belongs."""

    memory_id: UUID
    version: int
    created_at: datetime
    is_new: bool
