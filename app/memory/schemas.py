"""The wire shapes of memory."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.memory.types import MemoryState, Scope, Tier

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$(?!\n)")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
ExpectedVersion = Annotated[int, Meta(ge=0, le=2**31 - 1, description="the version you know; 0 when it must not exist")]
Seconds = Annotated[int, Meta(ge=1, le=315_360_000, description="how long it can be read from now on; absent: for good")]
Key = Annotated[UUID, Meta(description="a task's or command's id for `run`; your own id, or nothing, for `agent`")]


class MemoryWrite(Body):
    """In the scopes `agent` and `user` an `expected_version` is needed; each write says anew when it expires."""

    content: Any
    expected_version: ExpectedVersion | None = None
    expires_in_seconds: Seconds | None = None
    tier: Tier | None = None


class MemoryDelete(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a deletion, whichever way it came."""

    expected_version: int | None = None


class AgentMemoryWrite(Body):
    scope: Scope
    name: Name
    content: Any
    key: Key | None = None
    expected_version: ExpectedVersion | None = None
    expires_in_seconds: Seconds | None = None
    tier: Tier | None = None


class AgentMemoryDelete(Body):
    scope: Scope
    name: Name
    key: Key | None = None
    expected_version: Version | None = None


class AgentMemoryRead(Body):
    """Without a `version` it is the latest."""

    scope: Scope
    name: Name
    key: Key | None = None
    version: Version | None = None


class AgentMemoryList(Body):
    """`cursor` is the `next_cursor` of the page before."""

    scope: Scope
    key: Key | None = None
    tier: Tier | None = None
    limit: int | None = None
    cursor: Name | None = None


class MemorySnapshotView(View):
    """One version; `memory_id` is the item's, `created_at` when the item began and `updated_at` when this version was written."""

    id: UUID
    scope_type: Scope
    scope_key: UUID
    name: str
    memory_id: UUID
    version: int
    tier: Tier
    state: MemoryState
    author_kind: ActorKind
    author_id: UUID | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    contract_version: str = "v1"


class MemoryText(MemorySnapshotView):
    """A version with its content, which its author wrote: material, not orders."""

    content: Any = None


class MemoryPage(View):
    items: list[MemorySnapshotView]
    next_cursor: str | None
    limit: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is written."""

    id: UUID
    memory_id: UUID
    scope_type: Scope
    scope_key: str
    name: str
    version: int
    tier: Tier
    state: MemoryState
    content: msgspec.Raw
    author_kind: ActorKind
    author_id: UUID | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
