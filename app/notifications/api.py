"""Notifications for people: REST."""

from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import Call, identity, mutate, read
from app.kernel.errors import Invalid
from app.kernel.openapi import described
from app.notifications import service
from app.notifications.schemas import NotificationPage, NotificationView, ReadAll, ReadOne, ReadView
from app.notifications.types import NotificationState

NOTIFICATIONS = "/api/v1/notifications"
SEE = "task.read"


@get(NOTIFICATIONS, operation_class=described(view=NotificationPage))
async def notifications(request: Call) -> Response[bytes]:
    """Who was told what and how it ended, newest first; filters: `mine`, `state`, `task_id`, `recipient_id`."""
    asked = service.Asked(
        task_id=paging.asked(request, "task_id", UUID),
        state=paging.asked(request, "state", NotificationState),
        recipient_id=paging.asked(request, "recipient_id", UUID),
        mine=bool(paging.asked(request, "mine", bool)),
    )
    if asked.mine and asked.recipient_id is not None:
        raise Invalid.field("recipient_id", "`mine` says whose they are")
    limit, before = paging.limit(request), paging.cursor(request)
    return await read(request, SEE, lambda tx, who: service.page(tx, who, asked, limit=limit, before=before))


@post(
    f"{NOTIFICATIONS}/{{notification_id:str}}/read",
    status_code=200,
    operation_class=described(body=ReadOne, view=NotificationView),
)
async def read_one(request: Call, notification_id: FromPath[str]) -> Response[bytes]:
    """Mark one of your own as read; to do it again changes nothing."""
    wanted = identity(notification_id, kind="notification")
    return await mutate(request, SEE, ReadOne, lambda tx, who, _: service.read(tx, who, wanted))


@post(f"{NOTIFICATIONS}/read-all", status_code=200, operation_class=described(body=ReadAll, view=ReadView))
async def read_all(request: Call) -> Response[bytes]:
    """Mark all of your own as read, or those up to the newest that you looked at."""
    return await mutate(request, SEE, ReadAll, lambda tx, who, body: service.read_all(tx, who, upto=body.upto))


ROUTES = (notifications, read_one, read_all)
