"""A real PostgreSQL for the session, and a fresh migrated database for each test that asks for one."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kernel import db, migrate, server
from app.kernel.db import Database
from app.kernel.transaction import Subscribers
from tests import boards, make

SERVICE_USER = "callboard_test_service"
PASSWORD = "only-for-tests"
MAKE_SERVICE_USER = f"""
DO $$ BEGIN
    CREATE ROLE {SERVICE_USER} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""


# These databases outlive no power cut, and every test makes one and drops it; killing processes is as safe as ever.
FOR_A_MOMENT = (
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "ALTER SYSTEM SET max_wal_size = '128MB'",
    "SELECT pg_reload_conf()",
)
MEMORY, ROOM = Path("/dev/shm"), 4 << 30
# A copy of a database costs a tenth where no disk is asked; elsewhere PostgreSQL's own way is the quicker one.
IN_MEMORY = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
STRATEGY = "FILE_COPY" if IN_MEMORY else "WAL_LOG"


@pytest.fixture(scope="session")
def cluster() -> Iterator[tuple[str, str]]:
    """(admin, service) addresses of a server; the service's role can never bypass the wall."""
    given = os.environ.get("TEST_DATABASE_URL")
    admin = os.environ.get("TEST_DATABASE_ADMIN_URL", given)
    if admin:
        yield admin, make.url_as(admin, user=SERVICE_USER, password=PASSWORD)
        return
    directory = Path(tempfile.mkdtemp(prefix="callboard-tests-", dir=MEMORY if IN_MEMORY else None))
    # Under root the server runs as another user, who must pass.
    directory.chmod(0o711)
    running = server.start_local(directory)
    asyncio.run(make.execute(running.admin_url, *FOR_A_MOMENT))
    try:
        yield running.admin_url, make.url_as(running.admin_url, user=SERVICE_USER, password=PASSWORD)
    finally:
        running.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
async def template(cluster) -> AsyncIterator[str]:
    """The name of a migrated database that nobody is connected to."""
    admin, _ = cluster
    name = f"template_{uuid4().hex[:12]}"
    await make.execute(admin, MAKE_SERVICE_USER, f"CREATE DATABASE {name}")
    await migrate.upgrade(make.url_of(admin, database=name), SERVICE_USER)
    yield name
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def urls(cluster, template) -> AsyncIterator[tuple[str, str]]:
    """(admin, service) addresses of a database of this test's own."""
    admin, service = cluster
    name = f"t_{uuid4().hex[:12]}"
    await make.execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {STRATEGY}")
    yield make.url_of(admin, database=name), make.url_of(service, database=name)
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def admin(urls) -> AsyncIterator[Any]:
    """A connection that no policy binds, to look behind the board."""
    connection = await asyncpg.connect(db.plain(urls[0]))
    yield connection
    await connection.close()


@pytest.fixture
def subscribers() -> Subscribers:
    return {}


@pytest.fixture
async def database(urls, subscribers) -> AsyncIterator[Database]:
    async with make.opened(urls[1], subscribers=subscribers) as opened:
        yield opened


@pytest.fixture
async def account(admin) -> UUID:
    return await make.account(admin)


@pytest.fixture
async def board(urls) -> AsyncIterator[boards.Board]:
    """The whole board with the shipped crew, all agents pulling their work."""
    async with boards.in_own_task(lambda: boards.opened(urls[1])) as opened:
        yield opened
