"""Approvals: who asked for what, and how people voted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, text
from sqlmodel import Field, SQLModel

from app.autonomy.types import ApprovalState, Vote
from app.kernel.columns import at_column, check, enum_column, tenant_key
from app.kernel.types import ActorKind, Role


class Approval(SQLModel, table=True):
    """A held command that waits for `quorum` people; `target_version` is the version of the target that they are asked about."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("approvals_pending_idx", "account_id", "command_id", unique=True, postgresql_where=text("state = 'pending'")),
        Index("approvals_state_idx", "account_id", "state", "id"),
        Index("approvals_command_idx", "account_id", "command_id"),
        # What was asked about a command goes with it.
        tenant_key("command_id", "runtime_commands", name="approvals_command_fkey", on_delete="CASCADE"),
        check("quorum BETWEEN 1 AND 10", name="approvals_quorum_check"),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    command_id: UUID
    summary: str
    state: ApprovalState = Field(sa_column=enum_column(ApprovalState, name="approvals_state_check"))
    quorum: int = Field(default=1, sa_type=SmallInteger, sa_column_kwargs={"server_default": "1"})
    min_role: Role = Field(sa_column=enum_column(Role, name="approvals_role_check"))
    requested_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="approvals_by_kind_check"))
    requested_by_id: UUID | None = None
    target_kind: str | None = None
    target_id: UUID | None = None
    target_version: int | None = None
    reason: str | None = None
    version: int = 1
    created_at: datetime = Field(sa_column=at_column())
    expires_at: datetime = Field(sa_column=at_column())
    escalated_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    decided_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class ApprovalVote(SQLModel, table=True):
    """One voice in one approval: `on_behalf_of_id` is whose it is, `voter_id` who cast it, the same person or a delegate."""

    __tablename__ = "approval_votes"
    __table_args__ = (
        tenant_key("approval_id", "approvals", name="approval_votes_approval_fkey", on_delete="CASCADE"),
        tenant_key("voter_id", "people", name="approval_votes_voter_fkey"),
        tenant_key("on_behalf_of_id", "people", name="approval_votes_voice_fkey"),
    )

    account_id: UUID = Field(primary_key=True)
    approval_id: UUID = Field(primary_key=True)
    on_behalf_of_id: UUID = Field(primary_key=True)
    voter_id: UUID
    vote: Vote = Field(sa_column=enum_column(Vote, name="approval_votes_vote_check"))
    note: str | None = None
    created_at: datetime = Field(sa_column=at_column())


class ApprovalDelegation(SQLModel, table=True):
    """Until `until`, `to_person_id` may vote with the voice of `from_person_id`."""

    __tablename__ = "approval_delegations"
    __table_args__ = (
        tenant_key("from_person_id", "people", name="approval_delegations_from_fkey"),
        tenant_key("to_person_id", "people", name="approval_delegations_to_fkey"),
        Index("approval_delegations_to_idx", "account_id", "to_person_id"),
        check("from_person_id <> to_person_id", name="approval_delegations_self_check"),
    )

    account_id: UUID = Field(primary_key=True)
    from_person_id: UUID = Field(primary_key=True)
    to_person_id: UUID
    reason: str
    until: datetime = Field(sa_column=at_column())
    created_at: datetime = Field(sa_column=at_column())
