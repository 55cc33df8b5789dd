"""The deprecation register for operators: REST."""

from litestar import Response, get

from app.kernel.edge import Call, board, read
from app.kernel.openapi import described
from app.runtime import deprecations
from app.runtime.schemas.deprecations import DeprecationPage


@get("/api/v1/admin/runtime/deprecations", operation_class=described(view=DeprecationPage))
async def listed(request: Call) -> Response[bytes]:
    """What will go, what to use instead, and how often this account used it; other processes' counts come within seconds."""
    await deprecations.USES.flush(board(request).database)
    return await read(request, "runtime.read", lambda tx, _: deprecations.page(tx))


ROUTES = (listed,)
