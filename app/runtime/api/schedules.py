"""Schedules for operators: REST."""

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.errors import Invalid
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body
from app.runtime import schedules
from app.runtime.schemas.schedules import (
    Disabling,
    NewSchedule,
    PreviewView,
    RunView,
    ScheduleDetail,
    ScheduleEdit,
    SchedulePage,
    ScheduleView,
)

SCHEDULES = "/api/v1/admin/runtime/schedules"
SCHEDULE = f"{SCHEDULES}/{{schedule_id:str}}"
GONE = 204
READ, MANAGE = "runtime.read", "runtime.manage"


@get(SCHEDULES, operation_class=described(view=SchedulePage))
async def listed(request: Call) -> Response[bytes]:
    """A page of schedules, oldest first."""
    limit, after = paging.limit(request), paging.cursor(request)
    return await read(request, READ, lambda tx, _: schedules.page(tx, limit=limit, after=after))


@post(SCHEDULES, status_code=CREATED, operation_class=described(body=NewSchedule, view=ScheduleView, status=CREATED))
async def create(request: Call) -> Response[bytes]:
    """Make a schedule of a command type that people may start."""
    return await mutate(request, MANAGE, NewSchedule, schedules.create, status=CREATED)


@get(SCHEDULE, operation_class=described(view=ScheduleDetail))
async def one(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    """A schedule with the newest commands that it started."""
    wanted = identity(schedule_id, kind="schedule")
    return await read(request, READ, lambda tx, _: schedules.one(tx, wanted))


@get(f"{SCHEDULE}/preview", operation_class=described(view=PreviewView))
async def preview(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    """The next `count` ticks, at most 100."""
    wanted, count = identity(schedule_id, kind="schedule"), paging.asked(request, "count", int)
    return await read(request, READ, lambda tx, _: schedules.preview(tx, wanted, count=count))


@patch(SCHEDULE, operation_class=described(body=ScheduleEdit, view=ScheduleView))
async def edit(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(schedule_id, kind="schedule")
    return await mutate(request, MANAGE, ScheduleEdit, lambda tx, who, body: schedules.edit(tx, who, wanted, body))


@delete(SCHEDULE, status_code=200, operation_class=described(status=GONE))
async def remove(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    """Take a schedule away; what it started stays."""
    wanted = identity(schedule_id, kind="schedule")

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await schedules.delete(tx, who, wanted)

    return await mutate(request, MANAGE, Body, act, status=GONE)


@post(f"{SCHEDULE}/enable", status_code=200, operation_class=described(view=ScheduleView))
async def enable(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    """Let it tick from now on."""
    wanted = identity(schedule_id, kind="schedule")
    return await mutate(request, MANAGE, Body, lambda tx, who, _: schedules.enable(tx, who, wanted))


@post(f"{SCHEDULE}/disable", status_code=200, operation_class=described(body=Disabling, view=ScheduleView))
async def disable(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    """Stop its ticks until it is enabled again."""
    wanted = identity(schedule_id, kind="schedule")
    return await mutate(request, MANAGE, Disabling, lambda tx, who, body: schedules.disable(tx, who, wanted, body))


@post(f"{SCHEDULE}/run", status_code=200, operation_class=described(view=RunView))
async def run(request: Call, schedule_id: FromPath[str]) -> Response[bytes]:
    """Start its command once now; needs an `Idempotency-Key`, for which it is started once."""
    wanted, key = identity(schedule_id, kind="schedule"), request.headers.get("idempotency-key")
    if not key:
        raise Invalid.field("Idempotency-Key", "is required here, so that a repeated call starts nothing twice")
    return await mutate(request, MANAGE, Body, lambda tx, who, _: schedules.run(tx, who, wanted, key=key))


ROUTES = (listed, create, one, preview, edit, remove, enable, disable, run)
