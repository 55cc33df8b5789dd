"""Who the agents are: flags, how they are reached, their sessions and their skills."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.agents.types import Adapter, Layer, LayerScope, PresenceState, Reach, SessionKind
from app.kernel.columns import at_column, check, enum_column, json_column, tenant_key


class ExecutorProfile(SQLModel, table=True):
    """How agents are run; an unset `url` means the one in the environment, `failover` names the profiles to try next."""

    __tablename__ = "executor_profiles"
    __table_args__ = (UniqueConstraint("account_id", "name", name="executor_profiles_name_key"),)

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    name: str
    adapter: Adapter = Field(sa_column=enum_column(Adapter, name="executor_profiles_adapter_check"))
    url: str | None = None
    settings: dict[str, Any] = Field(sa_column=json_column())
    timeout_seconds: int | None = None
    failover: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())


class Agent(SQLModel, table=True):
    __tablename__ = "agents"
    __table_args__ = (
        UniqueConstraint("account_id", "slug", name="agents_slug_key"),
        tenant_key("profile_id", "executor_profiles", name="agents_profile_fkey"),
        check("capacity BETWEEN 1 AND 20", name="agents_capacity_check"),
        check("wake_minutes BETWEEN 0 AND 1440", name="agents_wake_minutes_check"),
        check("(reach = 'gateway') = (profile_id IS NOT NULL)", name="agents_profile_check"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    slug: str
    name: str
    role: str
    description: str = ""
    soul: str = ""
    identity_folder: str | None = None
    flags: dict[str, Any] = Field(sa_column=json_column())
    reach: Reach = Field(sa_column=enum_column(Reach, name="agents_reach_check"))
    profile_id: UUID | None = None
    capacity: int = Field(default=1, sa_type=SmallInteger, sa_column_kwargs={"server_default": "1"})
    wake_minutes: int = Field(default=15, sa_type=SmallInteger, sa_column_kwargs={"server_default": "15"})
    version: int = 1
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    retired_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class AgentSession(SQLModel, table=True):
    """Continuity of one agent on one task (or of the agent itself); the key is no credential."""

    __tablename__ = "agent_sessions"
    __table_args__ = (
        UniqueConstraint("account_id", "key", name="agent_sessions_key_key"),
        UniqueConstraint("account_id", "agent_id", "task_id", "generation", name="agent_sessions_generation_key"),
        tenant_key("agent_id", "agents", name="agent_sessions_agent_fkey"),
        tenant_key("task_id", "tasks", name="agent_sessions_task_fkey"),
        check("(kind = 'task') = (task_id IS NOT NULL)", name="agent_sessions_task_check"),
        Index("agent_sessions_agent_idx", "account_id", "agent_id", "id"),
        Index(
            "agent_sessions_open_task_idx",
            "account_id",
            "task_id",
            "agent_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL AND kind = 'task'"),
        ),
        Index(
            "agent_sessions_open_system_idx",
            "account_id",
            "agent_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL AND kind = 'system'"),
        ),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    kind: SessionKind = Field(sa_column=enum_column(SessionKind, name="agent_sessions_kind_check"))
    agent_id: UUID
    task_id: UUID | None = None
    generation: int
    key: str
    opened_at: datetime = Field(sa_column=at_column())
    closed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    closed_reason: str | None = None


class Presence(SQLModel, table=True):
    """When an agent was last seen, to within half a minute, and since when it is online or offline."""

    __tablename__ = "agent_presence"
    __table_args__ = (
        tenant_key("agent_id", "agents", name="agent_presence_agent_fkey"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True)
    agent_id: UUID = Field(primary_key=True)
    state: PresenceState = Field(sa_column=enum_column(PresenceState, name="agent_presence_state_check"))
    interval_seconds: int | None = None
    seen_at: datetime = Field(sa_column=at_column())
    changed_at: datetime = Field(sa_column=at_column())


class AgentWakeup(SQLModel, table=True):
    """When an agent is looked at next, and what came of the last look; an unset `wake_at` follows from the agent's own row.

    `shown` are the tasks of its last wake-ups, each with the mark of what it was then; nothing changed in `pauses` of them.
    """

    __tablename__ = "agent_wakeups"
    __table_args__ = (
        tenant_key("agent_id", "agents", name="agent_wakeups_agent_fkey"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True)
    agent_id: UUID = Field(primary_key=True)
    wake_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    woken_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    pauses: int = Field(default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"})
    shown: dict[str, Any] = Field(sa_column=json_column())
    outcome: str | None = None


class GatewayPresence(SQLModel, table=True):
    """Whether what runs the agents of a profile is there: its lease lasts until `until`, and `error` is its last trouble."""

    __tablename__ = "gateway_presence"
    __table_args__ = (
        tenant_key("profile_id", "executor_profiles", name="gateway_presence_profile_fkey"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True)
    profile_id: UUID = Field(primary_key=True)
    state: PresenceState = Field(sa_column=enum_column(PresenceState, name="gateway_presence_state_check"))
    interval_seconds: int
    seen_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    until: datetime = Field(sa_column=at_column())
    changed_at: datetime = Field(sa_column=at_column())
    error: str | None = None


class Skill(SQLModel, table=True):
    """Text that agents are taught with; one that `requires_approval` teaches nobody until this version of it is approved."""

    __tablename__ = "skills"
    __table_args__ = (
        UniqueConstraint("account_id", "slug", name="skills_slug_key"),
        check("octet_length(content) <= 524288", name="skills_content_check"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    slug: str
    name: str
    description: str = ""
    content: str = ""
    is_enabled: bool = True
    requires_approval: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    approved_version: int | None = None
    approved_by_id: UUID | None = None
    edited_by_id: UUID | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())


class AgentSkill(SQLModel, table=True):
    __tablename__ = "agent_skills"
    __table_args__ = (
        tenant_key("agent_id", "agents", name="agent_skills_agent_fkey"),
        tenant_key("skill_id", "skills", name="agent_skills_skill_fkey"),
        Index("agent_skills_skill_idx", "account_id", "skill_id"),
    )

    account_id: UUID = Field(primary_key=True)
    agent_id: UUID = Field(primary_key=True)
    skill_id: UUID = Field(primary_key=True)


class IdentityLayer(SQLModel, table=True):
    """One layer of who agents are: of one agent, of all that name a folder, or of all; an agent's own soul is in its row."""

    __tablename__ = "identity_layers"
    __table_args__ = (
        UniqueConstraint("account_id", "scope", "name", "layer", name="identity_layers_place_key"),
        check("(scope = 'shared') = (name = '')", name="identity_layers_name_check"),
        check("NOT (scope = 'agent' AND layer = 'soul')", name="identity_layers_soul_check"),
        check("octet_length(content) <= 1048576", name="identity_layers_content_check"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    scope: LayerScope = Field(sa_column=enum_column(LayerScope, name="identity_layers_scope_check"))
    name: str = ""
    layer: Layer = Field(sa_column=enum_column(Layer, name="identity_layers_layer_check"))
    content: str
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())


class CompiledIdentity(SQLModel, table=True):
    """What layers came to, kept once for each prompt as long as a session names it; `sha256` is that of the prompt."""

    __tablename__ = "compiled_identities"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    sha256: str = Field(primary_key=True)
    prompt: str
    sections: list[Any] = Field(sa_column=json_column(default="[]"))
    conflicts: list[Any] = Field(sa_column=json_column(default="[]"))
    sources: list[Any] = Field(sa_column=json_column(default="[]"))
    warnings: list[Any] = Field(sa_column=json_column(default="[]"))
    used_at: datetime = Field(sa_column=at_column())


class SessionIdentity(SQLModel, table=True):
    """Which identity an agent's session was last given."""

    __tablename__ = "session_identities"
    __table_args__ = (
        tenant_key("session_id", "agent_sessions", name="session_identities_session_fkey"),
        Index("session_identities_sha256_idx", "account_id", "sha256"),
    )

    account_id: UUID = Field(primary_key=True)
    session_id: UUID = Field(primary_key=True)
    sha256: str
    compiled_at: datetime = Field(sa_column=at_column())
