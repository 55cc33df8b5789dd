"""What the seeds said when they were last loaded, how clones stand, and what was written into workspaces."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.bootstrap.types.vcs import CloneState, Trouble
from app.bootstrap.types.workspaces import WorkspaceState
from app.kernel.columns import at_column, enum_column, tenant_key


class SeedRecord(SQLModel, table=True):
    """What one seed said when it was last loaded, to tell a changed seed from an edited row."""

    __tablename__ = "seed_records"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    kind: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    loaded_at: datetime = Field(sa_column=at_column())


class RepositoryClone(SQLModel, table=True):
    """How the clone of a repository stands; `advice` says what to do about its `trouble`, and `setting` which key to look at.

    `command_id` is the sync that was ordered last; what an older one finds does not count any more.
    """

    __tablename__ = "repository_clones"
    __table_args__ = (
        tenant_key("repository_id", "repositories", name="repository_clones_repository_fkey", on_delete="CASCADE"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True)
    repository_id: UUID = Field(primary_key=True)
    state: CloneState = Field(sa_column=enum_column(CloneState, name="repository_clones_state_check"))
    directory: str
    head: str | None = None
    base_branch: str | None = None
    phase: str | None = None
    percent: int | None = None
    trouble: Trouble | None = Field(
        default=None, sa_column=enum_column(Trouble, name="repository_clones_trouble_check", nullable=True)
    )
    setting: str | None = None
    advice: str | None = None
    remark: str | None = None
    command_id: UUID | None = None
    synced_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    changed_at: datetime = Field(sa_column=at_column())


class AgentWorkspace(SQLModel, table=True):
    """What was last written for an agent: `digest` of all of it, `edited` the files that the agent has changed since.

    `gateway_id` is what the agent is called in the configuration of gateways, unset while it is not told there.
    """

    __tablename__ = "agent_workspaces"
    __table_args__ = (
        tenant_key("agent_id", "agents", name="agent_workspaces_agent_fkey"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True)
    agent_id: UUID = Field(primary_key=True)
    state: WorkspaceState = Field(sa_column=enum_column(WorkspaceState, name="agent_workspaces_state_check"))
    path: str
    digest: str | None = None
    files: int = 0
    edited: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    warnings: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    token_id: UUID | None = None
    gateway_id: str | None = None
    problem: str | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    synced_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    changed_at: datetime = Field(sa_column=at_column())
