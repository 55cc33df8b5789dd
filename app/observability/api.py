"""Whether this process lives, and whether it can serve."""

import asyncio
from datetime import UTC
from typing import Any

import asyncpg
from litestar import Response, get

from app.kernel.edge import Call, answered, board, caller, origin
from app.kernel.errors import CallboardError, Unavailable
from app.kernel.openapi import described
from app.kernel.wire import View
from app.observability import queries
from app.observability.metrics import CONTENT_TYPE
from app.observability.scraping import scrape

PROBE_SECONDS = 5.0
NAMING_SECONDS = 2.0


class ReadyView(View):
    ready: bool = True


class ComponentView(View):
    status: str
    detail: str = ""


class HealthView(View):
    """`critical` when the board cannot serve, `degraded` when something beside it does not work."""

    status: str
    components: dict[str, ComponentView]


@get("/ready", operation_class=described(view=ReadyView))
async def ready(request: Call) -> Response[bytes]:
    """200 once the database answers, 503 otherwise."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await board(request).database.app.fetchval(queries.ALIVE)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raise Unavailable("the database does not answer") from None
    return answered(ReadyView())


@get("/health", operation_class=described(view=HealthView))
async def health(request: Call) -> Response[bytes]:
    """Each component with what to do about it; always 200, because the process lives."""
    pools = board(request).database
    components = {
        "database": await _probed(_database(pools.app)),
        "wakes": ComponentView(status="ok" if pools.wakes.is_connected else "degraded", detail=_wakes(pools.wakes.is_connected)),
        "workers": await _probed(_workers(pools.runtime)),
        "orchestrators": await _probed(_orchestrators(pools.runtime)),
        "alerts": await _probed(_alerts(pools.runtime)),
        "gateways": await _probed(_gateways(request)),
    }
    worst = {component.status for component in components.values()}
    status = "critical" if components["database"].status != "ok" else "degraded" if worst - {"ok", "disabled"} else "ok"
    return answered(HealthView(status=status, components=components))


def _wakes(is_connected: bool) -> str:  # noqa: FBT001
    return "" if is_connected else "not listening: wake-ups arrive by polling"


async def _probed(probe: Any) -> ComponentView:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            component: ComponentView = await probe
            return component
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return ComponentView(status="critical", detail=f"no answer ({type(error).__name__})")


async def _database(pool: Any) -> ComponentView:
    await pool.fetchval(queries.ALIVE)
    return ComponentView(status="ok")


async def _workers(pool: Any) -> ComponentView:
    alive = await pool.fetchval(queries.WORKERS)
    row = await pool.fetchrow(queries.BACKLOG)
    numbers = f"{alive} alive, {row['waiting']} commands waiting, {row['running']} running, oldest due {row['oldest']:.1f} s"
    if alive:
        return ComponentView(status="ok", detail=numbers)
    return ComponentView(status="degraded", detail=f"{numbers}: start one with `./callboard worker`")


async def _orchestrators(pool: Any) -> ComponentView:
    count = await pool.fetchval(queries.ORCHESTRATORS)
    if not count:
        return ComponentView(status="ok")
    return ComponentView(
        status="degraded",
        detail=f"{count} account(s) name an orchestrator that is no active agent of theirs: set one with PATCH /api/v1/account",
    )


async def _alerts(pool: Any) -> ComponentView:
    row = await pool.fetchrow(queries.CRITICAL_ALERTS)
    if not row["alerts"]:
        return ComponentView(status="ok")
    return ComponentView(
        status="degraded",
        detail=f"{row['alerts']} critical alert(s) open in {row['accounts']} account(s): see GET /api/v1/admin/runtime/alerts",
    )


async def _gateways(request: Call) -> ComponentView:
    """How many do not answer; whoever shows a token is told which of its account's."""
    row = await board(request).database.runtime.fetchrow(queries.GATEWAYS)
    if not row["gateways"]:
        return ComponentView(status="ok")
    since = f"{row['since'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    named = await _named(request)
    detail = f"{row['gateways']} gateway(s) in {row['accounts']} account(s) do not answer, the first since {since}"
    return ComponentView(status="degraded", detail=f"{detail}: {named or 'see GET /api/v1/gateways'}")


async def _named(request: Call) -> str:
    if "authorization" not in request.headers:
        return ""
    try:
        async with asyncio.timeout(NAMING_SECONDS):
            principal = await caller(request, "agents.read")
            async with board(request).database.transaction(principal.account_id, origin=origin(request)) as tx:
                rows = await tx.rows(queries.OWN_GATEWAYS, tx.account_id)
    except (CallboardError, TimeoutError):
        return ""
    return ", ".join(f"{row['name']} since {row['changed_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for row in rows)


@get("/metrics", media_type=CONTENT_TYPE, operation_class=described())
async def metrics(request: Call) -> Response[bytes]:
    """Numbers of all processes of this installation, for Prometheus."""
    text = await scrape(board(request).database.runtime, request.app.state.metrics)
    return Response(text, media_type=CONTENT_TYPE)


ROUTES = (ready, health, metrics)
