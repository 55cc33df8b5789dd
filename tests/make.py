"""Small things that many tests need in the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from app.kernel import db
from app.kernel.db import Database
from app.kernel.transaction import Subscribers
from app.kernel.types import Origin
from app.kernel.wake import Wakes
from app.runtime.service import Order, enqueue
from app.runtime.taxonomy import REGISTRY, UnknownCommand, command
from app.runtime.types import Idempotency

ORIGIN = Origin(request_id="req-test", correlation_id="corr-test", source="test")
PATIENCE_SECONDS = 20.0


def url_of(url: str, *, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def url_as(url: str, *, user: str, password: str) -> str:
    """The same database as another role."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{password}@{place}").geturl()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(db.plain(url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def account(admin: Any) -> UUID:
    account_id = uuid4()
    await admin.execute("INSERT INTO accounts (id, slug, name, version) VALUES ($1, $2, 'Test', 1)", account_id, account_id.hex)
    await admin.execute("INSERT INTO event_counters (account_id) VALUES ($1)", account_id)
    return account_id


async def account_at(admin_url: str) -> UUID:
    connection = await asyncpg.connect(db.plain(admin_url))
    try:
        return await account(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def opened(url: str, *, subscribers: Subscribers, size: int = 8) -> AsyncIterator[Database]:
    wakes = Wakes(lambda: db.direct(url, role=db.APP_ROLE))
    running = asyncio.create_task(wakes.run())
    try:
        async with db.opened(url, size=size, wakes=wakes, subscribers=subscribers) as database:
            yield database
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def order(**fields: Any) -> Order:
    """An order of a type that is declared here if nobody else did."""
    wanted = {"type": "test.noop", "idempotency_key": uuid4().hex, "payload": {}} | fields
    try:
        REGISTRY.find(wanted["type"])
    except UnknownCommand:
        command(wanted["type"], payload=dict, owner="tests", idempotency=Idempotency.CALLER, is_submittable=True)(_noop)
    return Order(**wanted)


async def _noop(_attempt: Any) -> None:
    """Nothing."""


async def enqueued(database: Database, account_id: UUID, *orders: Order) -> list[UUID]:
    async with database.transaction(account_id, origin=ORIGIN) as tx:
        return [enqueue(tx, each, actor=None) for each in orders]


async def until(condition: Any, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for an async condition to hold; answers what it answered."""
    clock = asyncio.get_running_loop().time
    latest = clock() + seconds
    while not (answer := await condition()):
        if clock() > latest:
            raise AssertionError(f"this did not happen within {seconds} s: {condition.__qualname__}")
        await asyncio.sleep(0.02)
    return answer
