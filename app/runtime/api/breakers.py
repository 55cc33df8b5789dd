"""Breakers for operators: REST."""

from litestar import Response, get, post

from app.kernel import paging
from app.kernel.edge import Call, mutate, read
from app.kernel.openapi import described
from app.runtime import breakers
from app.runtime.schemas.breakers import BreakerPage, BreakerReset, BreakerView

BREAKERS = "/api/v1/admin/runtime/breakers"


@get(BREAKERS, operation_class=described(view=BreakerPage))
async def listed(request: Call) -> Response[bytes]:
    """A page of the dependencies that failed at some time, by their names."""
    limit, cursor = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, "runtime.read", lambda tx, _: breakers.page(tx, limit=limit, cursor=cursor))


@post(f"{BREAKERS}/reset", status_code=200, operation_class=described(body=BreakerReset, view=BreakerView))
async def reset(request: Call) -> Response[bytes]:
    """Close a breaker by hand."""
    return await mutate(request, "runtime.manage", BreakerReset, breakers.reset)


ROUTES = (listed, reset)
