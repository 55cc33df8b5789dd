"""Which database a command works on."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import unquote, urlsplit

import asyncpg
import msgspec

from app.kernel import clock, server
from app.kernel.server import LocalServer
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart
from app.kernel.urls import redacted

CONNECT_SECONDS = 10
RETRY_SECONDS = 5
OLDEST = 15


def connected(settings: Settings) -> Settings:
    """Settings that name their database: the given one, else the running one of the data directory."""
    if settings.database_url:
        asyncio.run(check(settings))
        return settings
    local = server.find_local(settings.data_dir)
    if local is None:
        raise CannotStart("no database: start the board first with `./callboard up`, or set DATABASE_URL")
    found = _on(settings, local)
    asyncio.run(check(found))
    return found


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Settings]:
    """Settings that name a reachable database; an embedded one is stopped at the end."""
    if settings.database_url:
        await check(settings)
        yield settings
        return
    local = await _started(settings)
    keeper = asyncio.create_task(_keep(settings, local))
    try:
        yield _on(settings, local)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await asyncio.to_thread((server.find_local(settings.data_dir) or local).stop)


async def _started(settings: Settings) -> LocalServer:
    starting = asyncio.ensure_future(asyncio.to_thread(server.start_local, settings.data_dir))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread cannot be interrupted, and what it starts must not be left behind.
        await asyncio.to_thread((await starting).stop)
        raise


async def _keep(settings: Settings, local: LocalServer) -> None:
    while True:
        await asyncio.sleep(0.5)
        if local.is_running():
            continue
        print("callboard: PostgreSQL ended; starting it again", file=sys.stderr, flush=True)
        try:
            local = await _started(settings)
        except CannotStart as error:
            print(f"callboard: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(RETRY_SECONDS)


async def check(settings: Settings) -> None:
    """Raise unless the given databases answer, are recent enough, and have the clock of these settings."""
    await _check("DATABASE_URL", settings.database_url or "", settings.clock)
    if settings.database_admin_url:
        await _check("DATABASE_ADMIN_URL", settings.database_admin_url, settings.clock)


def admin_url(settings: Settings) -> str:
    return settings.database_admin_url or settings.database_url or ""


def service_user(settings: Settings) -> str:
    """The role that serves, as the address names it."""
    return unquote(urlsplit(settings.database_url or "").username or "")


async def _check(key: str, url: str, mode: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise CannotStart(f"{key}: {redacted(url)} does not answer") from None
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CannotStart(f"{key}: cannot connect to {redacted(url)}: {reason}") from None
    version = connection.get_server_version()
    try:
        # A role that may not look yet is looked after by the migration.
        with suppress(asyncpg.InsufficientPrivilegeError):
            await clock.check(connection, mode)
    finally:
        await connection.close()
    if version.major < OLDEST:
        raise CannotStart(f"{key}: {redacted(url)} is PostgreSQL {version.major}; {OLDEST} or newer is needed")


def _on(settings: Settings, local: LocalServer) -> Settings:
    return msgspec.structs.replace(settings, database_url=local.url, database_admin_url=local.admin_url)
