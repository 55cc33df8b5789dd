"""A worker's life signs: its lock, its row and its beat; and the reaping of those who show none."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.kernel import db
from app.kernel.wake import BOARD, WORK, Wakes
from app.runtime import ledger
from app.runtime.queries import workers as queries

BEAT_SECONDS = 2.0
LONGEST_SILENCE = 10.0
REAP_SECONDS = 0.25
FORGET_EVERY = 60
STATEMENT_SECONDS = 5.0
# What a lost database looks like; the worker then starts a new life.
GONE = (
    *db.LOST,
    OSError,
    TimeoutError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
)
# With no statistics, or old ones, the planner would read whole tables to find two hundred rows by key.
PLANNER = "plan_cache_mode=force_generic_plan&enable_seqscan=off&enable_hashjoin=off&enable_mergejoin=off"
POOL_SIZE = 3
# An advisory lock is a signed 64-bit number; these bits of a UUIDv7 are random.
LOCK_BITS = 2**62 - 1

log = structlog.get_logger()


class LifeLost(ConnectionError):
    """This worker may count as dead to the others, so it must let go of everything."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the others can see of a worker."""

    host: str
    pid: int
    version: str
    slots: int


class Registration:
    """A registered worker's direct connection, which holds its lock and hears of work."""

    def __init__(self, connection: Any, worker_id: UUID) -> None:
        self.worker_id = worker_id
        self._connection = connection
        self._broken = asyncio.Event()
        connection.add_termination_listener(lambda _: self._broken.set())

    async def beat_forever(self) -> None:
        """Beat until the beat fails."""
        clock = asyncio.get_running_loop().time
        last = clock()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), BEAT_SECONDS)
            if self._broken.is_set() or clock() - last > LONGEST_SILENCE:
                raise LifeLost("the lock's connection ended" if self._broken.is_set() else "no beat for too long")
            if await self._connection.fetchval(queries.BEAT, self.worker_id, timeout=STATEMENT_SECONDS) is None:
                raise LifeLost("the worker was taken for dead")
            last = clock()

    async def unregister(self) -> None:
        await self._connection.execute(queries.UNREGISTER, self.worker_id, timeout=STATEMENT_SECONDS)


@asynccontextmanager
async def registered(url: str, worker_id: UUID, about: About, *, hear: Callable[[], None]) -> AsyncIterator[Registration]:
    """Count as a living worker; `hear` is called when there may be work."""
    connection = await db.direct(url, role=db.RUNTIME_ROLE)
    try:
        registration = Registration(connection, worker_id)
        key = worker_id.int & LOCK_BITS
        await connection.execute(queries.LOCK, key, timeout=STATEMENT_SECONDS)
        await connection.add_listener(WORK, lambda *_: hear())
        await connection.execute(queries.REGISTER, worker_id, key, *msgspec.structs.astuple(about), timeout=STATEMENT_SECONDS)
        yield registration
    finally:
        # A polite goodbye could hang where the network does.
        connection.terminate()


@asynccontextmanager
async def worker_pool(url: str) -> AsyncIterator[Any]:
    separator = "&" if "?" in url else "?"
    pool = await db.pool(f"{url}{separator}{PLANNER}", role=db.RUNTIME_ROLE, size=POOL_SIZE)
    try:
        yield pool
    finally:
        pool.terminate()


async def reap_forever(pool: Any, *, wakes: Wakes, found: Callable[[], None]) -> None:
    """Free what dead workers held; every worker looks, and what two of them find is freed once."""
    turn = 0
    while True:
        await asyncio.sleep(REAP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
        freed = await ledger.reap(pool)
        if freed:
            log.warning("commands_reaped", commands=len(freed))
            tell(wakes, {account_id for account_id, _ in freed})
            found()
        if turn % FORGET_EVERY == 0:
            await pool.execute(queries.FORGET_DEAD)
        turn += 1


def tell(wakes: Wakes, accounts: set[UUID]) -> None:
    for account_id in accounts:
        wakes.send(BOARD, str(account_id))


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
