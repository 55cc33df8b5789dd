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
NO_GIT = "git is not installed where this process runs: install it"
REPO_URL_UNSET = "REPO_URL is not set and no account has a repository: version control tools are off"
NO_ACCOUNT_HAS_ONE = "no account has a repository: seeds/repository.yaml or POST /api/v1/repositories makes one"


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
        "vcs": await _probed(_vcs(request)),
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
    own = await _own(request, "agents.read", queries.OWN_GATEWAYS)
    named = ", ".join(f"{row['name']} since {row['changed_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for row in own)
    detail = f"{row['gateways']} gateway(s) in {row['accounts']} account(s) do not answer, the first since {since}"
    return ComponentView(status="degraded", detail=f"{detail}: {named or 'see GET /api/v1/gateways'}")


async def _vcs(request: Call) -> ComponentView:
    """What is wrong with clones, which setting to look at and what to do; a token's account is told which are its own."""
    settings, database = request.app.state.settings, board(request).database
    row = await database.runtime.fetchrow(queries.CLONES)
    has_git = await asyncio.to_thread(lambda: database.outside.git.program is not None)
    if not row["repositories"]:
        unset = NO_ACCOUNT_HAS_ONE if settings.repo_url else REPO_URL_UNSET
        return ComponentView(status="disabled", detail=unset if has_git else f"{unset}; {NO_GIT}")
    if not has_git:
        return ComponentView(status="degraded", detail=f"{row['repositories']} repository(ies): {NO_GIT}")
    if not row["degraded"]:
        return ComponentView(status="ok", detail=f"{row['ready']} ready, {row['busy']} on their way")
    advice = f"{row['setting']}: {row['advice']}" if row["setting"] else row["advice"]
    own = await _own(request, "repositories.read", queries.OWN_CLONES)
    named = "; ".join(f"{one['name']}: {one['setting'] or 'advice'}: {one['advice']}" for one in own)
    detail = f"{row['degraded']} of {row['repositories']} repository(ies) cannot be cloned or brought up to date"
    return ComponentView(status="degraded", detail=f"{detail}: {named or advice} (see GET /api/v1/repositories)")


async def _own(request: Call, action: str, sql: str) -> list[Any]:
    """The rows of the account whose token was shown, none without one."""
    if "authorization" not in request.headers:
        return []
    try:
        async with asyncio.timeout(NAMING_SECONDS):
            principal = await caller(request, action)
            async with board(request).database.transaction(principal.account_id, origin=origin(request)) as tx:
                return await tx.rows(sql, tx.account_id)
    except (CallboardError, TimeoutError):
        return []


@get("/metrics", media_type=CONTENT_TYPE, operation_class=described())
async def metrics(request: Call) -> Response[bytes]:
    """Numbers of all processes of this installation, for Prometheus."""
    text = await scrape(board(request).database.runtime, request.app.state.metrics)
    return Response(text, media_type=CONTENT_TYPE)


ROUTES = (ready, health, metrics)
