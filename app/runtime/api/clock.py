"""The clock for operators; the routes that move it exist only where it is simulated."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from app.kernel.edge import Call, answered, caller, read
from app.kernel.openapi import described
from app.kernel.wire import decode
from app.runtime import clock
from app.runtime.clock import SimulatedClock
from app.runtime.schemas.clock import ClockMove, ClockMovedView, ClockView

CLOCK = "/api/v1/admin/clock"


@get(CLOCK, operation_class=described(view=ClockView))
async def show(request: Call) -> Response[bytes]:
    """How time passes here, where it stands, and when something of the account is due next."""
    return await read(request, "runtime.read", lambda tx, _: clock.view(tx))


def simulated() -> tuple[HTTPRouteHandler, ...]:
    """The routes that move the clock."""
    shape = described(body=ClockMove, view=ClockMovedView)

    @post(f"{CLOCK}/advance", status_code=200, operation_class=shape)
    async def advance(request: Call) -> Response[bytes]:
        """Let time pass, stopping at every instant at which something is due until that is done."""
        return await _move(request, _clock(request).advance)

    @post(f"{CLOCK}/jump", status_code=200, operation_class=shape)
    async def jump(request: Call) -> Response[bytes]:
        """Set the time at once; what was due meanwhile is late, and schedules follow their misfire policy."""
        return await _move(request, _clock(request).jump)

    return advance, jump


async def _move(request: Call, move: Callable[[ClockMove], Awaitable[ClockMovedView]]) -> Response[bytes]:
    # Not in the caller's transaction, which would be held open and see none of what happens meanwhile.
    await caller(request, "runtime.manage")
    return answered(await move(decode(await request.body(), ClockMove)))


def _clock(request: Any) -> SimulatedClock:
    found: SimulatedClock = request.app.state.clock
    return found


ROUTES = (show,)
