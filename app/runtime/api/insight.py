"""How well the runtime does: REST."""

from typing import Annotated

from litestar import Response, get, post
from msgspec import Meta

from app.kernel import paging
from app.kernel.edge import CREATED, Call, mutate, read
from app.kernel.openapi import described
from app.runtime import insight
from app.runtime.schemas.insight import KpiView, OrphansView, SaveBaseline, SloView

PATH = "/api/v1/admin/runtime"
Hours = Annotated[int, Meta(ge=1, le=24 * 90)]
DAY = 24


@get(PATH + "/slo", operation_class=described(view=SloView))
async def slo(request: Call) -> Response[bytes]:
    """Each objective over the last `hours` (24): its value, its bound, and whether it is kept."""
    hours = paging.asked(request, "hours", Hours) or DAY
    return await read(request, "runtime.read", lambda tx, _: insight.slo(tx, hours))


@get(PATH + "/kpi", operation_class=described(view=KpiView))
async def kpi(request: Call) -> Response[bytes]:
    """Key numbers over the last `hours` (24), with the formulas, beside the newest baseline."""
    hours = paging.asked(request, "hours", Hours) or DAY
    return await read(request, "runtime.read", lambda tx, _: insight.kpi(tx, hours))


@post(PATH + "/kpi/baseline", status_code=CREATED, operation_class=described(body=SaveBaseline, view=KpiView, status=CREATED))
async def baseline(request: Call) -> Response[bytes]:
    """Keep today's numbers as what later ones are held against."""
    return await mutate(request, "runtime.manage", SaveBaseline, insight.save_baseline, status=CREATED)


@get(PATH + "/orphans", operation_class=described(view=OrphansView))
async def orphans(request: Call) -> Response[bytes]:
    """What nobody looks after any more."""
    return await read(request, "runtime.read", lambda tx, _: insight.orphans(tx))


ROUTES = (slo, kpi, baseline, orphans)
