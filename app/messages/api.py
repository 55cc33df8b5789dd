"""Threads for people: REST."""

from litestar import Response, get, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import CREATED, OK, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import View
from app.messages import orders, requests, service
from app.messages.schemas import MessagePage, NewMessage, RequestsView, ResponseRequest, SaidView
from app.tasks.schemas.stopping import StoppedView

THREAD = "/api/v1/tasks/{task_id:str}/messages"
REQUESTS = "/api/v1/tasks/{task_id:str}/response-requests"


@post(
    THREAD,
    status_code=CREATED,
    operation_class=described(body=NewMessage, view=SaidView, status=CREATED, also={OK: StoppedView}),
)
async def say(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Say something in a task's thread; `/stop`, with a reason behind it, stops the task: 200 where it was blocked before."""
    wanted = identity(task_id, kind="task")

    async def act(tx: Transaction, who: Principal, body: NewMessage) -> SaidView | StoppedView:
        return await orders.say(tx, who, wanted, body.content)

    return await mutate(request, "task.message", NewMessage, act, status=_status)


def _status(said: View) -> int:
    return CREATED if isinstance(said, SaidView) else OK


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
