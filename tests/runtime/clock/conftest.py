"""Databases whose clock stands still until it is told to move."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from app.kernel import clock, db
from tests import make
from tests.conftest import STRATEGY
from tests.runtime.clock import worlds

START = datetime(2031, 1, 6, 8, 0, tzinfo=UTC)
Urls = tuple[str, str]


async def simulate(urls: Urls) -> Urls:
    """Let the clock of a new database stand at START."""
    connection = await asyncpg.connect(db.plain(urls[0]))
    try:
        await clock.choose(connection, clock.SIMULATED, reader=db.AUTH_ROLE, at=START)
    finally:
        await connection.close()
    return urls


@pytest.fixture
async def simulated(urls) -> Urls:
    """(admin, service) addresses of a database with a simulated clock."""
    return await simulate(urls)


@pytest.fixture
async def make_simulated(cluster, template) -> AsyncIterator[Callable[[], Awaitable[Urls]]]:
    """Makes any number of them."""
    admin, service = cluster
    names: list[str] = []

    async def made() -> Urls:
        names.append(f"s_{uuid4().hex[:12]}")
        await make.execute(admin, f"CREATE DATABASE {names[-1]} TEMPLATE {template} STRATEGY {STRATEGY}")
        return await simulate((make.url_of(admin, database=names[-1]), make.url_of(service, database=names[-1])))

    yield made
    for name in names:
        await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def world(simulated):
    """A board on a simulated clock, and the one worker that it needs."""
    async with worlds.opened(simulated[1]) as opened:
        yield opened
