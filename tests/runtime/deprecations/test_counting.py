"""Counting in each process: counts add up, and those that could not be written are written later."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from app.runtime.deprecations import Uses, counted
from app.runtime.rules.deprecations import DOCUMENT_UPSERT, REVIEWER_BY_ROLE_TEXT

SUM = "SELECT sum(uses) FROM runtime_deprecation_uses WHERE account_id = $1"


async def test_the_counts_of_all_processes_add_up(database, account, admin):
    processes = [Uses() for _ in range(8)]
    for _ in range(5):
        for one in processes:
            for deprecation in (DOCUMENT_UPSERT, REVIEWER_BY_ROLE_TEXT):
                one.count(account, deprecation)
        await asyncio.gather(*(one.flush(database) for one in processes))
    rows = await admin.fetch("SELECT name, uses FROM runtime_deprecation_uses WHERE account_id = $1 ORDER BY name", account)
    assert [tuple(row) for row in rows] == [("document_upsert", 40), ("reviewer_by_role_text", 40)]


async def test_what_could_not_be_written_is_written_later(database, account, admin, urls):
    uses = Uses()
    uses.count(account, DOCUMENT_UPSERT)
    await admin.execute("REVOKE INSERT, UPDATE ON runtime_deprecation_uses FROM callboard_app")
    await uses.flush(database)
    uses.count(account, DOCUMENT_UPSERT)
    await admin.execute("GRANT INSERT, UPDATE ON runtime_deprecation_uses TO callboard_app")
    await uses.flush(database)
    await uses.flush(database)
    assert await admin.fetchval(SUM, account) == 2


async def test_an_account_that_is_gone_is_forgotten_and_keeps_nobody_else_from_being_counted(database, account, admin):
    uses = Uses()
    uses.count(uuid4(), DOCUMENT_UPSERT)
    uses.count(account, DOCUMENT_UPSERT)
    await uses.flush(database)
    await uses.flush(database)
    assert await admin.fetchval(SUM, account) == 1


async def test_a_process_that_ends_writes_what_it_has_counted(database, account, admin):
    from app.runtime.deprecations import USES

    async with counted(database):
        USES.count(account, DOCUMENT_UPSERT)
    assert await admin.fetchval(SUM, account) == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.runtime.execute("SELECT * FROM runtime_deprecation_uses")
