"""What agents and runs keep between attempts: items whose every version stays as it was written."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, check, enum_column
from app.kernel.types import ActorKind
from app.memory.types import MemoryState, Scope, Tier


class MemorySnapshot(SQLModel, table=True):
    """One immutable version of an item; `memory_id` is the same for all of them, a deletion is a version of its own.

    Content is kept as the text that it came as: `jsonb` would write 1e300 with three hundred digits.
    """

    __tablename__ = "runtime_memory_snapshots"
    __table_args__ = (
        UniqueConstraint("account_id", "scope_type", "scope_key", "name", "version", name="runtime_memory_version_key"),
        UniqueConstraint("account_id", "memory_id", "version", name="runtime_memory_id_key"),
        Index("runtime_memory_expiry_idx", "account_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        check("version > 0", name="runtime_memory_positive_check"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    memory_id: UUID
    scope_type: Scope = Field(sa_column=enum_column(Scope, name="runtime_memory_scope_check"))
    scope_key: str
    name: str
    version: int
    tier: Tier = Field(sa_column=enum_column(Tier, name="runtime_memory_tier_check"))
    state: MemoryState = Field(sa_column=enum_column(MemoryState, name="runtime_memory_state_check"))
    content: Any = Field(default=None, sa_column=Column(JSON))
    author_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="runtime_memory_author_check"))
    author_id: UUID | None = None
    expires_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
