"""The one place where all rooms meet."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException as FrameworkError
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.types import ASGIApp

from app.accounts import api as accounts_api
from app.accounts import service as accounts
from app.accounts.identity import Identities
from app.agentapi import api as agent_api
from app.agentapi import explain as explain_api
from app.agentapi import tools as agent_tools
from app.agentapi.waiting import Waiting
from app.agents import api as agents_api
from app.agents import commands as agents
from app.agents import tools as agents_tools
from app.agents.presence import Presence
from app.autonomy import api as autonomy_api
from app.autonomy import commands as autonomy
from app.autonomy import targets
from app.autonomy.schemas import ApprovalView
from app.bootstrap import commands as bootstrap_commands
from app.bootstrap import furnishing_orders, repositories_api, workspaces_api, workspaces_contents, worktrees_api
from app.bootstrap import service as bootstrap
from app.bootstrap import tools as bootstrap_tools
from app.bootstrap.outside import Outside
from app.bootstrap.types import Report
from app.delivery import api as delivery_api
from app.delivery import commands as delivery
from app.delivery import forgetting, preflight_api, templates_api, templating, waking
from app.delivery import probing as _probing  # noqa: F401 its command is declared by being imported
from app.delivery.gateway.spreading import Spread
from app.delivery.resources import Resources
from app.documents import api as documents_api
from app.documents import service as documents
from app.documents import tools as documents_tools
from app.events import api as events_api
from app.events.pulses import Pulses
from app.events.streaming import Streams
from app.kernel import clock, db, logs, openapi, stopping
from app.kernel.db import Database
from app.kernel.edge import Board
from app.kernel.envelope import Identified, on_defect, on_framework, on_refusal
from app.kernel.errors import CallboardError
from app.kernel.ids import new_id
from app.kernel.settings import Settings, from_environment
from app.kernel.transaction import Subscribers, together
from app.kernel.types import Origin
from app.kernel.wake import Wakes
from app.mcp import api as mcp_api
from app.mcp.types import Endpoint
from app.memory import api as memory_api
from app.memory import service as memory
from app.memory import tools as memory_tools
from app.memory.schemas import MemorySnapshotView
from app.messages import api as messages_api
from app.messages import tools as messages_tools
from app.notifications import api as notifications_api
from app.notifications import commands as notifications
from app.notifications import ending as notifications_ending
from app.observability import api as observability_api
from app.observability import tracing
from app.observability.measuring import Measured
from app.observability.metrics import REGISTRY as REGISTRY_OF_METRICS
from app.observability.publishing import published
from app.policies import service as policies
from app.runtime import api as runtime_api
from app.runtime import commands as _runtime  # noqa: F401 its commands are declared by being imported
from app.runtime import releasing as _releasing  # noqa: F401 the same
from app.runtime import retention, upkeep
from app.runtime.api import clock as clock_api
from app.runtime.clock import SimulatedClock
from app.runtime.contracts import CONTRACTS
from app.runtime.controls import Controls, steered
from app.runtime.counts import Counts
from app.runtime.deprecations import counted
from app.runtime.intake import Intake
from app.runtime.metrics import RuntimeCollector
from app.runtime.ordered import OrderedIntake
from app.runtime.scheduling import Scheduler
from app.runtime.taxonomy import REGISTRY
from app.runtime.tracing import traced
from app.runtime.worker import Worker
from app.tasks import api as tasks_api
from app.tasks import commands as tasks_commands
from app.tasks import reading as tasks
from app.tasks import tools as tasks_tools
from app.usage import api as usage_api
from app.usage import commands as _usage  # noqa: F401 its commands are declared by being imported
from app.usage import keeping as usage_keeping
from app.usage import reading as usage_reading
from app.usage import telling as usage_telling

VERSION = "0.1.0"
VERBS = (
    *tasks_tools.VERBS,
    *messages_tools.VERBS,
    *documents_tools.VERBS,
    *agents_tools.VERBS,
    *memory_tools.VERBS,
    *agent_tools.VERBS,
    *bootstrap_tools.VERBS,
)
SUBSCRIBERS: Subscribers = together(
    agents.SUBSCRIPTIONS,
    tasks_commands.SUBSCRIPTIONS,
    notifications.SUBSCRIPTIONS,
    delivery.SUBSCRIPTIONS,
    forgetting.SUBSCRIPTIONS,
    waking.SUBSCRIPTIONS,
    autonomy.SUBSCRIPTIONS,
    bootstrap_commands.SUBSCRIPTIONS,
)
ROOMS = (
    tasks_api,
    messages_api,
    documents_api,
    memory_api,
    events_api,
    agents_api,
    workspaces_api,
    accounts_api,
    notifications_api,
    delivery_api,
    templates_api,
    preflight_api,
    autonomy_api,
    repositories_api,
    worktrees_api,
    usage_api,
    explain_api,
    agent_api,
    mcp_api,
    runtime_api,
    observability_api,
)
SeedReport = Report
targets.register("task", tasks.one)
targets.register("document", documents.one)
targets.register(usage_telling.KIND, usage_reading.one)
retention.add("memory", memory.purge_expired)
retention.add("usage", usage_keeping.purge)
retention.add("notifications", notifications_ending.forget)
CONTRACTS.publish("memory_snapshot", MemorySnapshotView)
CONTRACTS.publish("approval", ApprovalView)


@asynccontextmanager
async def opened(settings: Settings, *, size: int | None = None) -> AsyncIterator[Database]:
    """The database with its wake connection running."""
    url = settings.database_url or ""
    wakes = Wakes(lambda: db.direct(url, role=db.RUNTIME_ROLE))
    async with db.opened(url, size=size or settings.pool_size, wakes=wakes, subscribers=SUBSCRIBERS) as database:
        async with database.runtime.acquire() as connection:
            await clock.check(connection, settings.clock)
        listening = asyncio.create_task(wakes.run())
        try:
            async with steered(database), counted(database):
                database.outside = Outside(settings)
                yield database
        finally:
            await wakes.drain()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def _serving(app: Litestar) -> AsyncIterator[None]:
    """What one API process keeps open while it serves."""
    # Half a second and 30 MB that workers and the command line can do without.
    from app.mcp import server as mcp  # noqa: PLC0415

    settings: Settings = app.state.settings
    logs.configure(level=settings.log_level, output=settings.log_format)
    templating.ready(settings)
    workspaces_contents.ready(settings)
    tracing.configure(settings.otlp_endpoint, service="callboard-api", version=VERSION)
    async with opened(settings) as database:
        now = clock.now if settings.clock == clock.SYSTEM else None
        identities = Identities(database.app, wakes=database.wakes, monotonic=time.monotonic, now=now)
        pulses = Pulses(database.runtime)
        app.state.waiting = Waiting(pulses, wakes=database.wakes)
        app.state.streams = Streams(pulses, wakes=database.wakes)
        presence = Presence(database, waiting=app.state.waiting.present, is_simulated=now is None)
        app.state.board = Board(database, authenticate=presence.watched(identities.authenticate), permit=policies.permit)
        app.state.clock = SimulatedClock(lambda: db.direct(settings.database_url or "", role=db.RUNTIME_ROLE))
        app.state.mcp_endpoint = _mcp_endpoint(settings)
        app.state.verbs = VERBS
        watching = [asyncio.create_task(pulses.run()), asyncio.create_task(presence.run())]
        try:
            async with (
                published(database.runtime, kind="api") as app.state.metrics,
                mcp.opened(app.state.mcp_endpoint, database, app.state.waiting) as app.state.mcp,
            ):
                # The server leaves this block once every call has ended, and a stream ends by being told.
                with stopping.noticed(app.state.streams.stop):
                    yield
        finally:
            await upkeep.ended(watching)
            await asyncio.to_thread(tracing.shut_down)


def create_app(settings: Settings) -> ASGIApp:
    """The application of one API process."""

    routes = [*(route for room in ROOMS for route in room.ROUTES), *agent_api.routes(VERBS), *agent_api.old_routes(VERBS)]
    if settings.clock == clock.SIMULATED:
        routes += clock_api.simulated()
    app = Litestar(
        route_handlers=routes,
        lifespan=[_serving],
        state=State({"settings": settings}),
        exception_handlers={CallboardError: on_refusal, FrameworkError: on_framework, Exception: on_defect},
        request_max_body_size=settings.max_body_bytes,
        openapi_config=OpenAPIConfig(
            title="Callboard",
            version=VERSION,
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json"), YamlRenderPlugin()],
        ),
        logging_config=None,
    )
    openapi.complete(app.openapi_schema, routes)
    return Identified(app, through=Measured)


def _mcp_endpoint(settings: Settings) -> Endpoint:
    address = urlsplit(settings.public_url or "")
    sites = frozenset({f"{address.scheme}://{address.netloc}"} if address.netloc else ())
    return Endpoint(verbs=VERBS, version=VERSION, most=settings.max_body_bytes, sites=sites)


def application() -> ASGIApp:
    return create_app(from_environment())


@asynccontextmanager
async def _measured(database: Database) -> AsyncIterator[Counts]:
    """What the worker of this process counts, published as long as the block lasts."""
    counts = Counts()
    collector = RuntimeCollector(counts)
    REGISTRY_OF_METRICS.register(collector)
    try:
        async with published(database.runtime, kind="worker"):
            yield counts
    finally:
        REGISTRY_OF_METRICS.unregister(collector)


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run commands until `stop` is set, then let what is in flight end."""
    logs.configure(level=settings.log_level, output=settings.log_format)
    templating.ready(settings)
    workspaces_contents.ready(settings)
    tracing.configure(settings.otlp_endpoint, service="callboard-worker", version=VERSION)
    is_simulated = settings.clock == clock.SIMULATED
    size = max(settings.pool_size, 2)
    async with (
        opened(settings, size=size) as database,
        httpx.AsyncClient(transport=Spread(), trust_env=False, follow_redirects=False) as client,
        _measured(database) as counts,
    ):
        worker = Worker(
            database,
            settings.database_url or "",
            handlers=traced(REGISTRY.handlers()),
            slots=1 if is_simulated else settings.worker_slots,
            intake=OrderedIntake if is_simulated else Intake,
            resources=Resources(client, settings, VERBS),
            profiles=cast("Controls", database.controls).profile,
            drain_seconds=float(max(1, settings.drain_seconds - 2)),
            version=VERSION,
            jitter=(lambda: 1.0) if is_simulated else random.random,
            counts=counts,
        )
        scheduler = Scheduler(database)
        if is_simulated:
            # Nothing may depend on real time or on chance.
            scheduler = Scheduler(database, jitter=lambda: 0.0, failures_every=math.inf)
        try:
            await scheduler.beside(worker.run(stop), stop)
        finally:
            await asyncio.to_thread(tracing.shut_down)


async def seed(settings: Settings, directory: Path) -> SeedReport:
    """Load a directory of seeds; what a person changed since is kept."""
    async with opened(settings, size=4) as database:
        report = await bootstrap.load(database, settings=settings, directory=directory)
        # A new version of the board or of its manuals may write workspaces differently.
        async with database.transaction(report.account_id, origin=origin("seeds")) as tx:
            furnishing_orders.order(tx)
        return report


async def issue_token(settings: Settings, account: str, principal: str) -> str:
    """A new token for an agent's slug or a person's e-mail address."""
    async with opened(settings, size=2) as database:
        account_id, kind, identity = await bootstrap.principal(database, account, principal)
        async with database.transaction(account_id, origin=origin("cli")) as tx:
            _, token = accounts.issue_token(tx, principal_kind=kind, principal_id=identity, name="cli", created_by=None)
        return token


async def accounts_called(database: Database, slug: str | None) -> list[tuple[str, UUID]]:
    """Slug and id of the account with that slug, or of all."""
    return await bootstrap.accounts_called(database, slug)


def origin(source: str) -> Origin:
    call: UUID = new_id()
    return Origin(request_id=str(call), correlation_id=call.hex, source=source)
