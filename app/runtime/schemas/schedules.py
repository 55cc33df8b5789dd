"""The wire shapes of schedules."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.runtime.rules.schedules import MOST_CATCH_UP
from app.runtime.types import CommandState, ErrorClass, Misfire

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
Cron = Annotated[str, Meta(min_length=1, max_length=200)]
Interval = Annotated[int, Meta(ge=1, le=366 * 86_400)]
Zone = Annotated[str, Meta(min_length=1, max_length=64)]
Hours = Annotated[str, Meta(min_length=1, max_length=20)]
CatchUp = Annotated[int, Meta(ge=1, le=MOST_CATCH_UP)]
Jitter = Annotated[int, Meta(ge=0, le=86_400)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class NewSchedule(Body):
    """Either `cron` or `interval_seconds`; `active_hours`, such as 09:00-17:00, are of `timezone`.

    Of ticks that nobody could run, `misfire` drops all (`skip`), runs one (`run_once`) or the newest `catch_up_most`
    (`catch_up`). With `is_dry_run` the first tick only says what it would have started.
    """

    name: Name
    command_type: Name
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    cron: Cron | None = None
    interval_seconds: Interval | None = None
    timezone: Zone = "UTC"
    misfire: Misfire = Misfire.RUN_ONCE
    catch_up_most: CatchUp = 1
    jitter_seconds: Jitter = 0
    active_hours: Hours | None = None
    is_enabled: bool = True
    is_dry_run: bool = False


class ScheduleEdit(Body):
    """Absent fields stay; to set `cron` alone takes the interval away, and the other way round."""

    name: Name | UnsetType = UNSET
    command_type: Name | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType = UNSET
    cron: Cron | None | UnsetType = UNSET
    interval_seconds: Interval | None | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    misfire: Misfire | UnsetType = UNSET
    catch_up_most: CatchUp | UnsetType = UNSET
    jitter_seconds: Jitter | UnsetType = UNSET
    active_hours: Hours | None | UnsetType = UNSET
    is_dry_run: bool | UnsetType = UNSET
    expected_version: Version | None = None


class Disabling(Body):
    reason: Reason = "disabled by an operator"


class ScheduleView(View):
    """`next_at` is the next tick, `fires_at` that tick with its jitter; while it is disabled neither comes."""

    id: UUID
    name: str
    command_type: str
    payload: dict[str, Any]
    cron: str | None
    interval_seconds: int | None
    timezone: str
    misfire: Misfire
    catch_up_most: int
    jitter_seconds: int
    active_hours: str | None
    is_enabled: bool
    is_dry_run: bool
    is_system: bool
    disabled_reason: str | None
    next_at: datetime
    fires_at: datetime
    last_tick_at: datetime | None
    last_command_id: UUID | None
    version: int
    created_by_kind: ActorKind
    created_by_id: UUID | None
    created_at: datetime
    updated_at: datetime
    enabled_at: datetime


class TickView(View):
    """A command that the schedule started; its key names the tick, or the call that asked for it."""

    command_id: UUID
    idempotency_key: str
    status: CommandState
    attempts: int
    last_error_class: ErrorClass | None
    last_error_message: str | None
    created_at: datetime
    finished_at: datetime | None


class ScheduleDetail(ScheduleView):
    """`ticks` are its newest commands."""

    ticks: list[TickView]


class SchedulePage(View):
    items: list[ScheduleView]
    next_cursor: str | None
    limit: int


class PreviewView(View):
    """The next ticks as the schedule stands, without jitter; it need not be enabled."""

    ticks: list[datetime]


class RunView(View):
    command_id: UUID
    idempotency_key: str
