"""A worker's life signs: its lock, its row and its beat; and the reaping of those who show none."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.kernel import db
from app.kernel.wake import BOARD, Wakes
from app.runtime import ledger
from app.runtime.counts import Counts
from app.runtime.ledger import Profiles
from app.runtime.queries import workers as queries

BEAT_SECONDS = 2.0
LONGEST_SILENCE = 10.0
# A start and an end that follow each other closely are told of together.
TELL_SECONDS = 0.1
REAP_SECONDS = 0.25
# In turns of the reaper.
WAKE_EVERY, FORGET_EVERY = 2, 60
STATEMENT_SECONDS = 5.0
PROBE = "callboard_probe"
PROBE_SECONDS = 5.0
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


class Deaf(Exception):
    """The database does not tell this connection anything, as behind a pooler that gives each transaction another session."""


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
async def registered(
    url: str, worker_id: UUID, about: About, *, hear: Mapping[str, Callable[[str], None]]
) -> AsyncIterator[Registration]:
    """Count as a living worker; `hear` is called, by channel, with what is said there. Deaf if nothing would be heard."""
    connection = await db.direct(url, role=db.RUNTIME_ROLE)
    try:
        registration = Registration(connection, worker_id)
        key = worker_id.int & LOCK_BITS
        await connection.execute(queries.LOCK, key, timeout=STATEMENT_SECONDS)
        await _probe(connection, worker_id)
        for channel, heard in hear.items():
            await connection.add_listener(channel, lambda *said, heard=heard: heard(said[-1]))
        await connection.execute(queries.REGISTER, worker_id, key, *msgspec.structs.astuple(about), timeout=STATEMENT_SECONDS)
        yield registration
    finally:
        # A polite goodbye could hang where the network does.
        connection.terminate()


async def _probe(connection: Any, worker_id: UUID) -> None:
    """Listen for a word of one's own, since a lost LISTEN is silent."""
    heard = asyncio.Event()

    def hear(*said: object) -> None:
        if said[-1] == str(worker_id):
            heard.set()

    await connection.add_listener(PROBE, hear)
    await connection.execute("SELECT pg_notify($1, $2)", PROBE, str(worker_id), timeout=STATEMENT_SECONDS)
    try:
        await asyncio.wait_for(heard.wait(), PROBE_SECONDS)
    except TimeoutError:
        raise Deaf("LISTEN hears nothing: give workers a direct connection, not a transaction pooler") from None
    await connection.remove_listener(PROBE, hear)


@asynccontextmanager
async def worker_pool(url: str) -> AsyncIterator[Any]:
    separator = "&" if "?" in url else "?"
    pool = await db.pool(f"{url}{separator}{PLANNER}", role=db.RUNTIME_ROLE, size=POOL_SIZE)
    try:
        yield pool
    finally:
        pool.terminate()


async def reap_forever(
    pool: Any, *, wakes: Wakes, found: Callable[[], None], profiles: Profiles = ledger.built_in, counts: Counts
) -> None:
    """Free what dead workers held; every worker looks, and what two of them find is freed once."""
    turn = 0
    while True:
        await asyncio.sleep(REAP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
        freed = await ledger.reap(pool, profiles)
        if freed:
            counts.leases_lost += len(freed)
            log.warning("commands_reaped", commands=len(freed))
            tell(wakes, {account_id for account_id, _ in freed})
            found()
        if turn % WAKE_EVERY == 0 and await ledger.wake_lanes(pool):
            found()
        if turn % FORGET_EVERY == 0:
            await pool.execute(queries.FORGET_DEAD)
            await _mend(pool, counts)
        turn += 1


async def _mend(pool: Any, counts: Counts) -> None:
    await ledger.refresh_limits(pool)
    if repaired := await ledger.repair_limits(pool):
        counts.limits_repaired += repaired
        log.warning("limits_repaired", limits=repaired)


def tell(wakes: Wakes, accounts: set[UUID]) -> None:
    for account_id in accounts:
        wakes.send_within(BOARD, str(account_id), seconds=TELL_SECONDS)


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
