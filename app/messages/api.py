"""Threads for people: REST."""

from litestar import Response, get, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.messages import service
from app.messages.schemas import MessagePage, MessageView, NewMessage

THREAD = "/api/v1/tasks/{task_id:str}/messages"


@post(THREAD, status_code=CREATED, operation_class=described(body=NewMessage, view=MessageView, status=CREATED))
async def say(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Say something in a task's thread."""
    wanted = identity(task_id, kind="task")
    return await mutate(
        request, "task.message", NewMessage, lambda tx, who, body: service.post(tx, who, wanted, body.content), status=CREATED
    )


@get(THREAD, operation_class=described(view=MessagePage))
async def thread(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """A page of the thread, newest first."""
    wanted, limit, before = identity(task_id, kind="task"), paging.limit(request), paging.cursor(request)
    return await read(request, "task.read", lambda tx, _: service.thread(tx, wanted, limit=limit, before=before))


ROUTES = (say, thread)
