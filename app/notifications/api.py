"""Notifications for people: REST."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get

from app.kernel import paging
from app.kernel.edge import Call, read
from app.kernel.ids import NEWEST_ID
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.wire import Page, clamped
from app.notifications import queries
from app.notifications.schemas import NotificationPage, NotificationView


@get("/api/v1/notifications", operation_class=described(view=NotificationPage))
async def notifications(request: Call) -> Response[bytes]:
    """Who was told what and how it ended, newest first; filters: `task_id`, `recipient_id`."""
    task_id, recipient_id = paging.asked(request, "task_id", UUID), paging.asked(request, "recipient_id", UUID)
    limit, before = paging.limit(request), paging.cursor(request)

    async def page(tx: Transaction, _principal: Any) -> Page:
        size = clamped(limit)
        rows = await tx.rows(queries.OF_ACCOUNT, tx.account_id, before or NEWEST_ID, task_id, recipient_id, size + 1)
        items = [msgspec.convert(dict(row), NotificationView) for row in rows[:size]]
        return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)

    return await read(request, "task.read", page)


ROUTES = (notifications,)
