"""The one place where all rooms meet."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from litestar import Litestar
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
from app.agents import tools as agents_tools
from app.bootstrap import service as bootstrap
from app.bootstrap.types import Report
from app.delivery import commands as delivery
from app.delivery import render
from app.documents import api as documents_api
from app.documents import tools as documents_tools
from app.events import api as events_api
from app.kernel import clock, db, logs, openapi
from app.kernel.db import Database
from app.kernel.edge import Board
from app.kernel.envelope import Identified, on_defect, on_framework, on_refusal
from app.kernel.errors import CallboardError
from app.kernel.ids import new_id
from app.kernel.settings import Settings, from_environment
from app.kernel.transaction import Subscribers
from app.kernel.types import Origin
from app.kernel.wake import Wakes
from app.mcp import api as mcp_api
from app.mcp.types import Endpoint
from app.messages import api as messages_api
from app.messages import tools as messages_tools
from app.notifications import api as notifications_api
from app.notifications import commands as notifications
from app.observability import api as observability_api
from app.policies import service as policies
from app.runtime import api as runtime_api
from app.runtime.taxonomy import REGISTRY
from app.runtime.worker import Worker
from app.tasks import api as tasks_api
from app.tasks import commands as _tasks  # noqa: F401 its commands are declared by being imported
from app.tasks import tools as tasks_tools

VERSION = "0.1.0"
VERBS = (*tasks_tools.VERBS, *messages_tools.VERBS, *documents_tools.VERBS, *agents_tools.VERBS, *agent_tools.VERBS)
SUBSCRIBERS: Subscribers = {**notifications.SUBSCRIPTIONS, **delivery.SUBSCRIPTIONS}
ROOMS = (
    tasks_api,
    messages_api,
    documents_api,
    events_api,
    agents_api,
    accounts_api,
    notifications_api,
    explain_api,
    agent_api,
    mcp_api,
    runtime_api,
    observability_api,
)
SeedReport = Report


@asynccontextmanager
async def opened(settings: Settings, *, size: int | None = None) -> AsyncIterator[Database]:
    """The database with its wake connection running."""
    url = settings.database_url or ""
    wakes = Wakes(lambda: db.direct(url, role=db.RUNTIME_ROLE))
    async with db.opened(url, size=size or settings.pool_size, wakes=wakes, subscribers=SUBSCRIBERS) as database:
        listening = asyncio.create_task(wakes.run())
        try:
            yield database
        finally:
            await wakes.drain()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def create_app(settings: Settings) -> ASGIApp:
    """The application of one API process."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        # Half a second and 30 MB that workers and the command line can do without.
        from app.mcp import server as mcp  # noqa: PLC0415

        logs.configure(level=settings.log_level, output=settings.log_format)
        render.built_in()
        async with opened(settings) as database:
            identities = Identities(database.app, wakes=database.wakes, monotonic=time.monotonic, now=clock.now)
            app.state.board = Board(database, authenticate=identities.authenticate, permit=policies.permit)
            app.state.waiting = Waiting(database.runtime, wakes=database.wakes)
            app.state.mcp_endpoint = _mcp_endpoint(settings)
            watching = asyncio.create_task(app.state.waiting.run())
            try:
                async with mcp.opened(app.state.mcp_endpoint, database, app.state.waiting) as app.state.mcp:
                    yield
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    app = Litestar(
        route_handlers=[*(route for room in ROOMS for route in room.ROUTES), *agent_api.routes(VERBS)],
        lifespan=[lifespan],
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
    openapi.complete(app.openapi_schema)
    return Identified(app)


def _mcp_endpoint(settings: Settings) -> Endpoint:
    address = urlsplit(settings.public_url or "")
    sites = frozenset({f"{address.scheme}://{address.netloc}"} if address.netloc else ())
    return Endpoint(verbs=VERBS, version=VERSION, most=settings.max_body_bytes, sites=sites)


def application() -> ASGIApp:
    return create_app(from_environment())


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run commands until `stop` is set, then let what is in flight end."""
    logs.configure(level=settings.log_level, output=settings.log_format)
    render.built_in()
    size = max(settings.pool_size, 2)
    limits = httpx.Limits(max_connections=settings.worker_slots, max_keepalive_connections=settings.worker_slots)
    async with (
        opened(settings, size=size) as database,
        httpx.AsyncClient(trust_env=False, limits=limits, follow_redirects=False) as client,
    ):
        worker = Worker(
            database,
            settings.database_url or "",
            handlers=REGISTRY.handlers(),
            slots=settings.worker_slots,
            resources=delivery.Resources(client, settings),
            drain_seconds=float(max(1, settings.drain_seconds - 2)),
            version=VERSION,
        )
        await worker.run(stop)


async def seed(settings: Settings, directory: Path) -> SeedReport:
    """Load a directory of seeds; what a person changed since is kept."""
    async with opened(settings, size=4) as database:
        return await bootstrap.load(database, settings=settings, directory=directory)


async def issue_token(settings: Settings, account: str, principal: str) -> str:
    """A new token for an agent's slug or a person's e-mail address."""
    async with opened(settings, size=2) as database:
        account_id, kind, identity = await bootstrap.principal(database, account, principal)
        async with database.transaction(account_id, origin=_origin("cli")) as tx:
            _, token = accounts.issue_token(tx, principal_kind=kind, principal_id=identity, name="cli", created_by=None)
        return token


def _origin(source: str) -> Origin:
    call: UUID = new_id()
    return Origin(request_id=str(call), correlation_id=call.hex, source=source)
