"""Schedules as operators make and change them."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from app.events import service as events
from app.kernel.errors import Duplicate, Forbidden, Invalid, Missing, RequirementFailed, VersionConflict
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import CONTROL
from app.kernel.wire import Page, clamped, decode
from app.runtime import service, timing
from app.runtime.alerts import clear_alert
from app.runtime.firing import alert_of
from app.runtime.queries import schedules as queries
from app.runtime.rules import schedules as rules
from app.runtime.rules.schedules import Timing
from app.runtime.schemas.schedules import (
    Disabling,
    NewSchedule,
    PreviewView,
    RunView,
    ScheduleDetail,
    ScheduleEdit,
    ScheduleView,
    TickView,
)
from app.runtime.service import Order
from app.runtime.taxonomy import REGISTRY

DETAIL_TICKS = 20
PREVIEW_TICKS, MOST_PREVIEW_TICKS = 10, 100
TYPING = ("name", "command_type", "payload")
TIMING = (*Timing.__struct_fields__, "is_dry_run")
# A change of one of these counts the ticks anew.
WHEN = {"cron", "interval_seconds", "timezone", "active_hours", "jitter_seconds"}
NOT_YET = "it was made disabled"
LEAST_ID = UUID(int=0)


async def page(tx: Transaction, *, limit: int | None, after: UUID | None) -> Page:
    """A page of schedules, oldest first."""
    size = clamped(limit)
    rows = await tx.rows(queries.SCHEDULES, tx.account_id, after or LEAST_ID, size + 1)
    items = [view(row) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def one(tx: Transaction, schedule_id: UUID) -> ScheduleDetail:
    row = await _row(tx, queries.SCHEDULE, schedule_id)
    ticks = await tx.rows(queries.TICKS, tx.account_id, schedule_id, DETAIL_TICKS)
    return msgspec.convert(_fields(row) | {"ticks": [_tick(tick) for tick in ticks]}, ScheduleDetail)


async def preview(tx: Transaction, schedule_id: UUID, *, count: int | None) -> PreviewView:
    row = await _row(tx, queries.SCHEDULE, schedule_id)
    many = clamped(count, default=PREVIEW_TICKS, most=MOST_PREVIEW_TICKS)
    return PreviewView(ticks=rules.upcoming(timing.of(row), after=row["now"], anchor=row["next_at"], count=many))


async def create(tx: Transaction, who: Principal, asked: NewSchedule) -> ScheduleView:
    fields = msgspec.structs.asdict(asked)
    _check_type(asked.command_type, asked.payload)
    times = timing.checked(fields)
    if await tx.value(queries.NAME_TAKEN, tx.account_id, asked.name):
        raise Duplicate(f"a schedule is called {asked.name} already", field="name")
    schedule_id, now = new_id(), await tx.value(queries.NOW)
    row = fields | timing.from_now(times, now=now, anchor=timing.whole(now))
    row |= {"id": schedule_id, "is_system": False, "disabled_reason": None if asked.is_enabled else NOT_YET}
    tx.put(queries.INSERT, row | {"created_by_kind": who.kind, "created_by_id": who.id})
    _record(tx, who, schedule_id, "created", version=1, after=fields)
    return await _saved(tx, schedule_id)


async def edit(tx: Transaction, who: Principal, schedule_id: UUID, asked: ScheduleEdit) -> ScheduleView:
    """Change what was sent; a change of its times begins anew from now."""
    row = await _row(tx, queries.SCHEDULE_LOCKED, schedule_id)
    if asked.expected_version not in (None, row["version"]):
        raise VersionConflict("the schedule was changed meanwhile", expected=asked.expected_version, actual=row["version"])
    before = {name: value for name, value in _fields(row).items() if name in (*TYPING, *TIMING)}
    after = before | _sent(asked)
    changed = sorted(name for name in before if before[name] != after[name])
    if not changed:
        return view(row)
    await _check_change(tx, row, after, changed)
    tx.put(queries.CHANGE, after | _moved(row, after, changed) | {"id": schedule_id})
    _record(
        tx,
        who,
        schedule_id,
        "updated",
        version=row["version"] + 1,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return await _saved(tx, schedule_id)


async def delete(tx: Transaction, who: Principal, schedule_id: UUID) -> None:
    """Take a schedule away; the commands that it started stay."""
    row = await _row(tx, queries.SCHEDULE_LOCKED, schedule_id)
    if row["is_system"]:
        raise RequirementFailed("the board needs this schedule; disable it instead", requirement="not_system")
    tx.write(queries.DELETE, tx.account_id, schedule_id, expect=1)
    before = {name: value for name, value in _fields(row).items() if name in (*TYPING, *TIMING, "is_enabled")}
    _record(tx, who, schedule_id, "deleted", version=row["version"] + 1, before=before)
    await clear_alert(tx, alert_of(schedule_id), actor=who, reason="the schedule was deleted")


async def enable(tx: Transaction, who: Principal, schedule_id: UUID) -> ScheduleView:
    """Let it tick from now on; what passed while it was disabled does not count as missed."""
    row = await _row(tx, queries.SCHEDULE_LOCKED, schedule_id)
    if row["is_enabled"]:
        return view(row)
    times = timing.from_now(timing.of(row), now=row["now"], anchor=row["next_at"])
    tx.put(queries.SWITCH, {"id": schedule_id, "is_enabled": True, "disabled_reason": None, **times})
    _record(tx, who, schedule_id, "enabled", version=row["version"] + 1, before=row["disabled_reason"])
    await clear_alert(tx, alert_of(schedule_id), actor=who, reason="the schedule was enabled")
    return await _saved(tx, schedule_id)


async def disable(tx: Transaction, who: Principal, schedule_id: UUID, asked: Disabling) -> ScheduleView:
    row = await _row(tx, queries.SCHEDULE_LOCKED, schedule_id)
    if not row["is_enabled"] and row["disabled_reason"] == asked.reason:
        return view(row)
    tx.put(queries.SWITCH, {"id": schedule_id, "is_enabled": False, "disabled_reason": asked.reason})
    _record(tx, who, schedule_id, "disabled", version=row["version"] + 1, reason=asked.reason)
    return await _saved(tx, schedule_id)


async def run(tx: Transaction, who: Principal, schedule_id: UUID, *, key: str) -> RunView:
    """Start its command once now, whether or not it is enabled; its ticks come as before."""
    row = await _row(tx, queries.SCHEDULE_LOCKED, schedule_id)
    if await tx.value(queries.IS_STOPPED, tx.account_id):
        raise Forbidden("schedules are stopped in this account", reason="kill_switch")
    key = f"sched:{schedule_id}:run:{key}"
    for tick in await tx.rows(queries.ENQUEUED_TICKS, tx.account_id, [row["command_type"]], [key]):
        return RunView(command_id=tick["id"], idempotency_key=key)
    payload = msgspec.json.decode(row["payload"])
    order = Order(type=row["command_type"], idempotency_key=key, payload=payload, schedule_id=schedule_id)
    command_id = await service.submit(tx, order, actor=who)
    _record(tx, who, schedule_id, "fired", version=row["version"], command_id=command_id, tick=None)
    return RunView(command_id=command_id, idempotency_key=key)


def _check_type(name: str, payload: dict[str, Any]) -> None:
    """Refuse a type that a schedule may not start, or not with this payload."""
    kind = REGISTRY.find(name)
    if not kind.is_submittable:
        known = sorted(one.name for one in REGISTRY.all() if one.is_submittable)
        message = f"{name} is started by the board alone"
        raise Invalid(message, fields=[{"field": "command_type", "message": message}], known=known)
    try:
        decode(msgspec.json.encode(payload), kind.payload)
    except Invalid as error:
        fields: Any = error.details["fields"]
        below = [one | {"field": ".".join(filter(None, ("payload", one["field"])))} for one in fields]
        raise Invalid(f"payload: {error.message}", fields=below) from None


def view(row: Any) -> ScheduleView:
    return msgspec.convert(_fields(row), ScheduleView)


def _moved(row: Any, after: dict[str, Any], changed: list[str]) -> dict[str, Any]:
    if not WHEN & set(changed):
        return {"next_at": row["next_at"], "fires_at": row["fires_at"]}
    anchor = timing.whole(row["now"]) if "interval_seconds" in changed else row["next_at"]
    return timing.from_now(timing.checked(after), now=row["now"], anchor=anchor)


async def _check_change(tx: Transaction, row: Any, after: dict[str, Any], changed: list[str]) -> None:
    typed = set(TYPING) & set(changed)
    if row["is_system"] and typed:
        raise RequirementFailed(
            f"the board needs this schedule: it keeps its {', '.join(sorted(typed))}", requirement="not_system"
        )
    if typed - {"name"}:
        _check_type(after["command_type"], after["payload"])
    if "name" in typed and await tx.value(queries.NAME_TAKEN, tx.account_id, after["name"]):
        raise Duplicate(f"a schedule is called {after['name']} already", field="name")
    timing.checked(after)


def _sent(asked: ScheduleEdit) -> dict[str, Any]:
    sent = {name: getattr(asked, name) for name in (*TYPING, *TIMING) if getattr(asked, name) is not UNSET}
    if sent.get("cron") is not None:
        sent.setdefault("interval_seconds", None)
    if sent.get("interval_seconds") is not None:
        sent.setdefault("cron", None)
    return sent


async def _saved(tx: Transaction, schedule_id: UUID) -> ScheduleView:
    tx.wake(CONTROL, tx.account_id)
    await tx.flush()
    return view(await _row(tx, queries.SCHEDULE, schedule_id))


async def _row(tx: Transaction, sql: str, schedule_id: UUID) -> Any:
    row = await tx.row(sql, tx.account_id, schedule_id)
    if row is None:
        raise Missing.thing("schedule", schedule_id)
    return row


def _fields(row: Any) -> dict[str, Any]:
    return dict(row) | {"payload": msgspec.json.decode(row["payload"])}


def _tick(row: Any) -> TickView:
    fields = dict(row)
    return msgspec.convert(
        fields | {"command_id": fields["id"], "status": fields["state"], "attempts": fields["attempt"]}, TickView
    )


def _record(tx: Transaction, who: Principal, schedule_id: UUID, what: str, *, version: int, **about: Any) -> None:
    entity = ("schedule", schedule_id)
    events.record(tx, f"runtime:schedule:{what}", entity=entity, sequence=version, actor=who, payload=about)
