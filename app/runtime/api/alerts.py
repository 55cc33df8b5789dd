"""Alerts for operators: REST."""

from litestar import Response, get, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import Call, identity, mutate, read
from app.kernel.openapi import described
from app.runtime import alerts
from app.runtime.schemas.alerts import AlertClearing, AlertPage, AlertState, AlertView

ALERTS = "/api/v1/admin/runtime/alerts"


@get(ALERTS, operation_class=described(view=AlertPage))
async def newest(request: Call) -> Response[bytes]:
    """A page of alerts, newest first; `state` is `open` or `cleared`."""
    state = paging.asked(request, "state", AlertState)  # type: ignore[arg-type]
    limit, cursor = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, "runtime.read", lambda tx, _: alerts.page(tx, state=state, limit=limit, cursor=cursor))


@post(f"{ALERTS}/{{alert_id:str}}/clear", status_code=200, operation_class=described(body=AlertClearing, view=AlertView))
async def clear(request: Call, alert_id: FromPath[str]) -> Response[bytes]:
    """Say that the condition is over; should it come back, it is a new alert."""
    wanted = identity(alert_id, kind="alert")
    return await mutate(request, "runtime.manage", AlertClearing, lambda tx, who, body: alerts.clear(tx, who, wanted, body))


ROUTES = (newest, clear)
