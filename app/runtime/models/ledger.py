"""The ledger: commands, their attempts, lanes with their limits, workers and dead letters."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Index, Numeric, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, enum_column, json_column, tenant_key
from app.kernel.types import ActorKind
from app.runtime.types import CommandState, DeadLetterState, LaneState

CLAIMABLE = "state IN ('queued', 'retry_scheduled')"


class Command(SQLModel, table=True):
    """`attempt` only grows and is the fence; budget used = attempt - spent - lost - released - waited.

    `spent` is what attempts came before the last replay; `held_by` says why a held command waits.
    """

    __tablename__ = "runtime_commands"
    __table_args__ = (
        UniqueConstraint("account_id", "type", "idempotency_key", name="runtime_commands_idempotency_key"),
        tenant_key("lane_id", "runtime_lanes", name="runtime_commands_lane_fkey"),
        Index(
            "runtime_commands_lane_idx",
            "account_id",
            "lane_id",
            "lane_seq",
            unique=True,
            postgresql_where=text("lane_id IS NOT NULL"),
        ),
        Index("runtime_commands_claim_idx", "prio", "run_at", "id", postgresql_where=text(f"lane_id IS NULL AND {CLAIMABLE}")),
        Index("runtime_commands_worker_idx", "worker_id", postgresql_where=text("state = 'running'")),
        Index("runtime_commands_state_idx", "account_id", "state", "created_at"),
        Index("runtime_commands_type_idx", "account_id", "type", "created_at"),
        Index("runtime_commands_held_idx", "account_id", "held_by", "id", postgresql_where=text("state = 'held'")),
        Index(
            "runtime_commands_schedule_idx",
            "account_id",
            "schedule_id",
            "created_at",
            postgresql_where=text("schedule_id IS NOT NULL"),
        ),
        Index("runtime_commands_cause_idx", "account_id", "cause_id", postgresql_where=text("cause_id IS NOT NULL")),
        # Rows end nearly in the order in which they may go, so a summary of each range of pages is enough.
        Index(
            "runtime_commands_retention_idx",
            "retention_until",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        Index(
            "runtime_commands_due_idx",
            "account_id",
            "queue",
            "run_at",
            postgresql_where=text(f"{CLAIMABLE}"),
        ),
        {"postgresql_with": {"fillfactor": 70}},
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    type: str
    profile: str
    queue: str = Field(default="inbound", sa_column_kwargs={"server_default": "inbound"})
    state: CommandState = Field(sa_column=enum_column(CommandState, name="runtime_commands_state_check"))
    prio: int = Field(default=2, sa_type=SmallInteger)
    run_at: datetime = Field(sa_column=at_column())
    expires_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    idempotency_key: str
    request_hash: str | None = None
    payload: dict[str, Any] = Field(sa_column=json_column())
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    attempt: int = 0
    lost: int = 0
    released: int = 0
    waited: int = 0
    spent: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    held_by: str | None = None
    schedule_id: UUID | None = None
    worker_id: UUID | None = None
    claimed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    first_started_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    lane_id: UUID | None = None
    lane_seq: int | None = Field(default=None, sa_type=BigInteger)
    last_error_class: str | None = None
    last_error_message: str | None = None
    cancel_requested_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    actor_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="runtime_commands_actor_kind_check"))
    actor_id: UUID | None = None
    trigger_source: str
    cause_id: UUID | None = None
    depth: int = Field(default=0, sa_type=SmallInteger)
    request_id: str
    correlation_id: str
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    finished_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    retention_until: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class Attempt(SQLModel, table=True):
    """Written in the statement that claims its command, which is all that a foreign key would check."""

    __tablename__ = "runtime_command_attempts"
    __table_args__ = ({"postgresql_with": {"fillfactor": 70}},)

    account_id: UUID = Field(primary_key=True)
    command_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    worker_id: UUID
    started_at: datetime = Field(sa_column=at_column())
    completed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    outcome: str | None = None
    error_class: str | None = None
    error_message: str | None = None
    lane_epoch: int | None = Field(default=None, sa_type=BigInteger)
    result_summary: str | None = None
    token_usage: dict[str, int] | None = Field(default=None, sa_column=Column(JSONB))
    cost_usd: Decimal | None = Field(default=None, sa_type=Numeric(14, 6))
    executor: str | None = None


class Lane(SQLModel, table=True):
    """Commands of one lane run one at a time and in order; `epoch` fences the holder of its lease.

    Its command starts only while each limit in `limit_keys` has room, and then holds a slot of each in `held_keys`. A waiting
    lane waits for the limit or the pause in `waits_for`, a halted one for the verdict on its dead letter.
    """

    __tablename__ = "runtime_lanes"
    __table_args__ = (
        Index("runtime_lanes_ready_idx", "ready_at", "account_id", "id", postgresql_where=text("state = 'ready'")),
        Index("runtime_lanes_account_idx", "account_id", "ready_at", postgresql_where=text("state = 'ready'")),
        Index("runtime_lanes_waiting_idx", "account_id", "waits_for", "ready_at", postgresql_where=text("state = 'waiting'")),
        Index("runtime_lanes_worker_idx", "worker_id", postgresql_where=text("state = 'leased'")),
        {"postgresql_with": {"fillfactor": 70}},
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    state: LaneState = Field(sa_column=enum_column(LaneState, name="runtime_lanes_state_check"))
    ready_at: datetime = Field(sa_column=at_column())
    last_seq: int = Field(default=0, sa_type=BigInteger)
    done_seq: int = Field(default=0, sa_type=BigInteger)
    epoch: int = Field(default=0, sa_type=BigInteger)
    worker_id: UUID | None = None
    limit_keys: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    held_keys: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    waits_for: str | None = None


class Limit(SQLModel, table=True):
    """How many commands that share `key` may run at once, and how many do; changed only with the row locked."""

    __tablename__ = "runtime_limits"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    key: str = Field(primary_key=True)
    most: int
    used: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class Worker(SQLModel, table=True):
    """A process that runs commands; it lives while it holds the advisory lock `lock_key` and beats."""

    __tablename__ = "runtime_workers"

    id: UUID = Field(primary_key=True)
    lock_key: int = Field(sa_type=BigInteger)
    host: str
    pid: int
    version: str
    slots: int
    started_at: datetime = Field(sa_column=at_column())
    beat_at: datetime = Field(sa_column=at_column())


class DeadLetter(SQLModel, table=True):
    __tablename__ = "runtime_dead_letters"
    __table_args__ = (
        UniqueConstraint("account_id", "command_id", name="runtime_dead_letters_command_key"),
        tenant_key("command_id", "runtime_commands", name="runtime_dead_letters_command_fkey"),
        Index("runtime_dead_letters_state_idx", "account_id", "state", "created_at"),
        Index("runtime_dead_letters_cause_idx", "account_id", "reason_class", "state", "created_at"),
        Index(
            "runtime_dead_letters_retention_idx",
            "account_id",
            "retention_until",
            postgresql_where=text("retention_until IS NOT NULL"),
        ),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    command_id: UUID
    reason_class: str
    message: str
    attempts: int
    eligible_for_replay: bool = True
    replay_count: int = 0
    state: DeadLetterState = Field(sa_column=enum_column(DeadLetterState, name="runtime_dead_letters_state_check"))
    created_at: datetime = Field(sa_column=at_column())
    replayed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    replayed_by_id: UUID | None = None
    replay_request_id: str | None = None
    resolved_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    discarded_by_id: UUID | None = None
    discard_reason: str | None = None
    retention_until: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
