"""What steers the runtime: settings, profiles, pauses, breakers, schedules, alerts, the clock and what processes measure."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, check, enum_column, json_column
from app.kernel.types import ActorKind
from app.runtime.types import AlertSeverity, BreakerState, ClockMode, Misfire, PauseKind


class Setting(SQLModel, table=True):
    """A flag, kill switch or limit that an account set; what is absent has the registry's default."""

    __tablename__ = "runtime_settings"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    name: str = Field(primary_key=True)
    value: Any = Field(sa_column=Column(JSONB, nullable=False))
    version: int = 1
    reason: str
    changed_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="runtime_settings_by_kind_check"))
    changed_by_id: UUID | None = None
    changed_at: datetime = Field(sa_column=at_column())


class ProfileVersion(SQLModel, table=True):
    """One version of a profile that an account tuned; the newest is in force, and no row ever changes."""

    __tablename__ = "runtime_profiles"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    changes: dict[str, Any] = Field(sa_column=json_column())
    reason: str
    expected_effect: str | None = None
    rollback_condition: str | None = None
    restores_version: int | None = None
    changed_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="runtime_profiles_by_kind_check"))
    changed_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())


class Pause(SQLModel, table=True):
    """Commands of the account, of one queue or of one type are not started while this row is there; `name` is '' for all."""

    __tablename__ = "runtime_pauses"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    kind: PauseKind = Field(sa_column=enum_column(PauseKind, name="runtime_pauses_kind_check", primary_key=True))
    name: str = Field(primary_key=True)
    reason: str
    paused_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="runtime_pauses_by_kind_check"))
    paused_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())


class Breaker(SQLModel, table=True):
    """What all processes know of a dependency outside; absent means closed. `retry_at` is when one call may probe it.

    `version` counts its changes and is the fence of who probes.
    """

    __tablename__ = "runtime_breakers"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    dependency: str = Field(primary_key=True)
    state: BreakerState = Field(sa_column=enum_column(BreakerState, name="runtime_breakers_state_check"))
    failures: int = 0
    first_failure_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    opened_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    retry_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    last_error: str | None = None
    version: int = 1
    updated_at: datetime = Field(sa_column=at_column())


class Schedule(SQLModel, table=True):
    """A recurring trigger of one command; `next_at` is its next nominal tick, `fires_at` that tick with its jitter."""

    __tablename__ = "runtime_schedules"
    __table_args__ = (
        UniqueConstraint("account_id", "name", name="runtime_schedules_name_key"),
        Index("runtime_schedules_due_idx", "fires_at", "account_id", postgresql_where=text("is_enabled")),
        check("(cron IS NULL) <> (interval_seconds IS NULL)", name="runtime_schedules_kind_check"),
        check("interval_seconds > 0", name="runtime_schedules_interval_check"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    name: str
    command_type: str
    payload: dict[str, Any] = Field(sa_column=json_column())
    cron: str | None = None
    interval_seconds: int | None = None
    timezone: str = Field(default="UTC", sa_column_kwargs={"server_default": "UTC"})
    misfire: Misfire = Field(sa_column=enum_column(Misfire, name="runtime_schedules_misfire_check"))
    catch_up_most: int = Field(default=1, sa_type=SmallInteger, sa_column_kwargs={"server_default": "1"})
    jitter_seconds: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    active_hours: str | None = None
    is_enabled: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    is_dry_run: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    is_system: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    disabled_reason: str | None = None
    next_at: datetime = Field(sa_column=at_column())
    fires_at: datetime = Field(sa_column=at_column())
    last_tick_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    last_command_id: UUID | None = None
    version: int = 1
    created_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="runtime_schedules_by_kind_check"))
    created_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    enabled_at: datetime = Field(sa_column=at_column())


class Alert(SQLModel, table=True):
    """A condition that wants a person; one row until it is cleared, however often it is seen."""

    __tablename__ = "runtime_alerts"
    __table_args__ = (
        Index("runtime_alerts_open_idx", "account_id", "fingerprint", unique=True, postgresql_where=text("cleared_at IS NULL")),
        Index("runtime_alerts_newest_idx", "account_id", "opened_at", "id"),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    fingerprint: str
    kind: str
    severity: AlertSeverity = Field(sa_column=enum_column(AlertSeverity, name="runtime_alerts_severity_check"))
    message: str
    entity_kind: str
    entity_id: UUID | None = None
    seen: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    opened_at: datetime = Field(sa_column=at_column())
    last_seen_at: datetime = Field(sa_column=at_column())
    cleared_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class DeprecationUse(SQLModel, table=True):
    """How often an account still used what is deprecated."""

    __tablename__ = "runtime_deprecation_uses"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    name: str = Field(primary_key=True)
    uses: int = Field(default=0, sa_type=BigInteger)
    first_used_at: datetime = Field(sa_column=at_column())
    last_used_at: datetime = Field(sa_column=at_column())


class Clock(SQLModel, table=True):
    """The one row that says how time passes here; `at` is the time of a simulated clock, and null for the system's."""

    __tablename__ = "runtime_clock"
    __table_args__ = (
        check("id = 1", name="runtime_clock_one_check"),
        check("(mode = 'simulated') = (at IS NOT NULL)", name="runtime_clock_at_check"),
    )

    id: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    mode: ClockMode = Field(sa_column=enum_column(ClockMode, name="runtime_clock_mode_check"))
    at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class Measured(SQLModel, table=True):
    """What a process has counted since it started, so that any process can answer for all of them."""

    __tablename__ = "runtime_metrics"
    __table_args__ = ({"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},)

    process_id: UUID = Field(primary_key=True)
    kind: str
    host: str
    pid: int
    samples: Any = Field(sa_column=Column(JSONB, nullable=False))
    updated_at: datetime = Field(sa_column=at_column())
