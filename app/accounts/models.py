"""Tenants, the people in them, the tokens of people and agents, and the repositories they work in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, check, enum_column, json_column, tenant_key
from app.kernel.types import ActorKind, Role


class Account(SQLModel, table=True):
    __tablename__ = "accounts"

    id: UUID = Field(primary_key=True)
    slug: str = Field(unique=True)
    name: str
    settings: dict[str, Any] = Field(sa_column=json_column())
    version: int = 1
    created_at: datetime = Field(sa_column=at_column())


class Person(SQLModel, table=True):
    __tablename__ = "people"
    __table_args__ = (
        UniqueConstraint("account_id", "email", name="people_email_key"),
        UniqueConstraint("account_id", "handle", name="people_handle_key"),
        Index("people_owner_idx", "account_id", unique=True, postgresql_where=text("role = 'owner'")),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    email: str
    handle: str
    name: str
    role: Role = Field(sa_column=enum_column(Role, name="people_role_check"))
    created_at: datetime = Field(sa_column=at_column())
    removed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class Token(SQLModel, table=True):
    """A credential, kept as a hash; `prefix` finds it before its account is known."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        tenant_key("person_id", "people", name="api_tokens_person_fkey"),
        tenant_key("agent_id", "agents", name="api_tokens_agent_fkey"),
        tenant_key("session_id", "agent_sessions", name="api_tokens_session_fkey"),
        check("(person_id IS NULL) <> (agent_id IS NULL)", name="api_tokens_principal_check"),
        check("session_id IS NULL OR agent_id IS NOT NULL", name="api_tokens_session_check"),
        Index("api_tokens_agent_idx", "account_id", "agent_id"),
        Index("api_tokens_person_idx", "account_id", "person_id"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    prefix: str = Field(unique=True)
    hash: bytes = Field(sa_type=LargeBinary)
    person_id: UUID | None = None
    agent_id: UUID | None = None
    session_id: UUID | None = None
    name: str
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="api_tokens_created_by_kind_check"))
    created_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())
    expires_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    revoked_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class Repository(SQLModel, table=True):
    """Facts about a repository that prompts and version control use; an absent fact is never guessed.

    `is_from_environment`: its address is the one of the environment, which is told what to mend there.
    """

    __tablename__ = "repositories"
    __table_args__ = (
        UniqueConstraint("account_id", "name", name="repositories_name_key"),
        Index("repositories_primary_idx", "account_id", unique=True, postgresql_where=text("is_primary")),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    name: str
    url: str | None = None
    base_branch: str | None = None
    branch_prefix: str | None = None
    writable_dir: str | None = None
    clone_depth: int | None = None
    branch_pattern: str | None = None
    protected_branches: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    branch_per_task: bool = Field(default=True, sa_column_kwargs={"server_default": "true"})
    keep_worktrees: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    is_from_environment: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    is_primary: bool = True
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
