"""Threads for people: REST."""

from litestar import Response, get, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.messages import requests, service
from app.messages.schemas import MessagePage, MessageView, NewMessage, RequestsView, ResponseRequest

THREAD = "/api/v1/tasks/{task_id:str}/messages"
REQUESTS = "/api/v1/tasks/{task_id:str}/response-requests"


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


@post(REQUESTS, status_code=200, operation_class=described(body=ResponseRequest, view=RequestsView))
async def ask(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Ask agents for an answer on the task; each is notified."""
    wanted = identity(task_id, kind="task")

    async def act(tx: Transaction, who: Principal, body: ResponseRequest) -> RequestsView:
        return await requests.ask(tx, who, wanted, slugs=body.recipient_slugs, message=body.message)

    return await mutate(request, "agents.mention", ResponseRequest, act)


ROUTES = (say, thread, ask)
