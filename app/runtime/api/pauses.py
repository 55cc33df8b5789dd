"""Pauses for operators: REST."""

from litestar import Response, delete, get, post
from litestar.params import FromPath

from app.kernel.edge import CREATED, Call, mutate, read
from app.kernel.errors import Missing
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body
from app.runtime import pausing
from app.runtime.api.settings import reason
from app.runtime.schemas.settings import NewPause, PausePage, PauseView
from app.runtime.types import PauseKind

PAUSES = "/api/v1/admin/runtime/pauses"
GONE = 204


@get(PAUSES, operation_class=described(view=PausePage))
async def listed(request: Call) -> Response[bytes]:
    """What is paused, why, and how many commands wait because of it."""
    return await read(request, "runtime.read", lambda tx, _: pausing.page(tx))


@post(PAUSES, status_code=CREATED, operation_class=described(body=NewPause, view=PauseView, status=CREATED))
async def pause(request: Call) -> Response[bytes]:
    """Start nothing of this kind any more; what runs goes on to its end."""
    return await mutate(request, "runtime.manage", NewPause, pausing.pause, status=CREATED)


@delete(
    [f"{PAUSES}/{{kind:str}}", f"{PAUSES}/{{kind:str}}/{{name:str}}"], status_code=200, operation_class=described(status=GONE)
)
async def resume(request: Call, kind: FromPath[str], name: FromPath[str] = "") -> Response[bytes]:
    """End a pause; what it held is queued again. The query's `reason` says why."""
    if kind not in set(PauseKind):
        raise Missing.thing("pause", f"{kind}:{name}"[:64])
    why = reason(request)

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await pausing.resume(tx, who, PauseKind(kind), name, reason=why)

    return await mutate(request, "runtime.manage", Body, act, status=GONE)


ROUTES = (listed, pause, resume)
