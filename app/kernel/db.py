"""The database: one pool for each service role, and transactions that carry their tenant."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from app.kernel.controls import Controls, NotStarted
from app.kernel.errors import Overloaded, Unavailable
from app.kernel.startup import CannotStart
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import Origin
from app.kernel.wake import Wakes

APP_ROLE = "callboard_app"
RUNTIME_ROLE = "callboard_runtime"
AUTH_ROLE = "callboard_auth"
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "30s"
# A frozen process must not hold rows longer than it takes to be declared dead.
IDLE_TIMEOUT = "15s"
ACQUIRE_SECONDS = 5.0
BUSY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    # What the driver says when a connection breaks while it is being prepared for use.
    asyncpg.InternalClientError,
    ConnectionError,
)
# What opening a connection says too, while the server's socket is not there.
UNREACHABLE = (*LOST, asyncpg.TooManyConnectionsError, OSError)


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        # Only SET LOCAL is used, so there is nothing to reset and a round trip to save.
        return ""


class Database:
    """Two pools: `app` under row-level security, `runtime` over all accounts but only the runtime's tables."""

    def __init__(self, app: Any, runtime: Any, *, wakes: Wakes, subscribers: Subscribers) -> None:
        self.app = app
        self.runtime = runtime
        self.wakes = wakes
        self.subscribers = subscribers
        self.controls: Controls = NotStarted()
        # What services that reach outside are handed, such as git with its settings.
        self.outside: Any = None

    @asynccontextmanager
    async def transaction(self, account_id: UUID, *, origin: Origin) -> AsyncIterator[Transaction]:
        """One transaction of `account_id`; it commits when the block ends and wakes readers after that."""
        async with self._acquired() as connection:
            await connection.execute(begin(account_id))
            tx = Transaction(
                connection, account_id=account_id, origin=origin, subscribers=self.subscribers, controls=self.controls
            )
            try:
                yield tx
                await tx.flush()
            except BaseException:
                await _rolled_back(connection)
                raise
            await connection.execute("COMMIT")
        for channel, subject in tx.wakes:
            self.wakes.send(channel, subject)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Any]:
        try:
            connection = await self.app.acquire(timeout=ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise Overloaded("every database connection of this process is busy; try again") from error
        except UNREACHABLE as error:
            raise Unavailable("the database is not reachable; try again") from error
        try:
            yield connection
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as error:
            raise Overloaded("another call holds what this one needs; try again") from error
        except LOST as error:
            raise Unavailable("the database is not reachable; try again") from error
        finally:
            await self.app.release(connection)

    async def close(self) -> None:
        await asyncio.gather(self.app.close(), self.runtime.close())


def begin(account_id: UUID) -> str:
    """The text that opens a tenant's transaction; it takes no parameters, so only a real UUID may enter it."""
    if not isinstance(account_id, UUID):
        raise TypeError("an account id must be a UUID")
    # Written from its number, so that no subclass decides what enters the text.
    return f"BEGIN; SELECT set_config('app.account_id', '{UUID(int=account_id.int)}', true)"


async def _rolled_back(connection: Any) -> None:
    if not connection.is_closed():
        await asyncio.shield(connection.execute("ROLLBACK"))


@asynccontextmanager
async def opened(url: str, *, size: int, wakes: Wakes, subscribers: Subscribers) -> AsyncIterator[Database]:
    """Open the pools, and close them at the end; CannotStart without a database."""
    try:
        app = await pool(url, role=APP_ROLE, size=size)
        runtime = await pool(url, role=RUNTIME_ROLE, size=max(2, size // 4))
    except UNREACHABLE as error:
        raise CannotStart(f"the database is not reachable: {error}") from error
    database = Database(app, runtime, wakes=wakes, subscribers=subscribers)
    try:
        yield database
    finally:
        await database.close()


async def pool(url: str, *, role: str, size: int) -> Any:
    async def become(connection: Any) -> None:
        await connection.execute(f"SET ROLE {role}")

    return await asyncpg.create_pool(
        plain(url),
        min_size=1,
        max_size=size,
        init=become,
        connection_class=_Connection,
        max_inactive_connection_lifetime=0,
        server_settings={
            "application_name": "callboard",
            "lock_timeout": LOCK_TIMEOUT,
            "statement_timeout": STATEMENT_TIMEOUT,
            "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
            "jit": "off",
        },
    )


async def direct(url: str, *, role: str) -> Any:
    """A connection outside every pool, for LISTEN and advisory locks."""
    connection = await asyncpg.connect(plain(url), server_settings={"application_name": "callboard-direct"})
    try:
        await connection.execute(f"SET ROLE {role}")
    except BaseException:
        connection.terminate()
        raise
    return connection


def plain(url: str) -> str:
    """The address without the driver's name that SQLAlchemy would want in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}://{rest}"


async def retried(attempt: Any, *, times: int = 3) -> Any:
    """Run again what the database gave up to let another transaction pass."""
    for number in range(times):
        try:
            return await attempt()
        except (*BUSY, asyncpg.UniqueViolationError):
            # Somebody else made the same row meanwhile: the next attempt sees it and answers to that.
            if number == times - 1:
                raise
            await asyncio.sleep(random.uniform(0, 0.02 * 2**number))  # noqa: S311
    raise AssertionError("unreachable")
