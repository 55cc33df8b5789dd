"""The schema goes up, down and up again, and the tables that the code declares are the tables that are there."""

from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from app.kernel import db, migrate
from tests import make

TABLES = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'alembic_version'
"""
SHAPE = """
SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND relkind IN ('r', 'i') ORDER BY relname
"""
POLICIES = "SELECT * FROM pg_policies ORDER BY tablename, policyname"
FUNCTIONS = "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'"


@pytest.fixture
async def empty(cluster, template):
    """The admin's address of a database without any table."""
    admin, _ = cluster
    name = f"m_{uuid4().hex[:12]}"
    await make.execute(admin, f"CREATE DATABASE {name}")
    yield make.url_of(admin, database=name)
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


async def asked(url: str, *queries: str) -> list[list[tuple]]:
    connection = await asyncpg.connect(db.plain(url))
    try:
        return [[tuple(row) for row in await connection.fetch(query)] for query in queries]
    finally:
        await connection.close()


async def test_up_one_down_and_up_again_gives_the_same_board(empty):
    from tests.conftest import SERVICE_USER

    await migrate.upgrade(empty, SERVICE_USER)
    before = await asked(empty, SHAPE, POLICIES)
    await migrate.downgrade(empty, "-1")
    assert await asked(empty, SHAPE) != before[:1]
    await migrate.upgrade(empty, SERVICE_USER)
    assert await asked(empty, SHAPE, POLICIES) == before


async def test_all_the_way_down_leaves_nothing_and_up_again_works(empty):
    from tests.conftest import SERVICE_USER

    await migrate.upgrade(empty, SERVICE_USER)
    await migrate.downgrade(empty, "base")
    tables, functions = await asked(empty, TABLES, FUNCTIONS)
    assert (tables, functions) == ([(0,)], [])
    await migrate.upgrade(empty, SERVICE_USER)
    assert (await asked(empty, TABLES))[0][0][0] > 10


async def test_upgrading_twice_changes_nothing(urls):
    from tests.conftest import SERVICE_USER

    before = await asked(urls[0], SHAPE, POLICIES)
    await migrate.upgrade(urls[0], SERVICE_USER)
    assert await asked(urls[0], SHAPE, POLICIES) == before


async def test_the_models_are_the_migrated_schema(urls):
    # Raises, naming the operations, when autogenerate would write any.
    await migrate._run(urls[0], command.check)
