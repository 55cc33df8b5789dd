"""Search passes the wall between accounts, so its functions keep it themselves."""

from uuid import uuid4

import asyncpg
import pytest

from app.kernel import migrate
from app.kernel.db import APP_ROLE, RUNTIME_ROLE
from tests import boards, make
from tests.conftest import SERVICE_USER
from tests.tasks.test_search import found, move


async def test_a_task_of_another_account_is_never_found(urls, admin):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        await theirs.task(title="Their lantern")
        assert await found(mine, "lantern", include_archived=True, include_coordination=True) == []
        assert await found(theirs, "lantern") == ["Their lantern"]
        call = "SELECT count(*) FROM search_tasks('lantern', 10, true, true)"
        async with mine.database.transaction(mine.account_id, origin=make.ORIGIN) as tx:
            assert await tx.value(call) == 0
        async with mine.database.transaction(theirs.account_id, origin=make.ORIGIN) as tx:
            assert await tx.value(call) == 1
        async with mine.database.transaction(uuid4(), origin=make.ORIGIN) as tx:
            assert await tx.value(call) == 0
        assert await mine.database.app.fetchval(call) == 0


DEFINERS = ["search_tasks('a', 1, true, true)", "possible_duplicates('a', 0.6, 5)"]
INNER = ["similar_titles(gen_random_uuid(), 'a', 0.6)", "task_query_in('a'::tsquery, 'A')"]


async def test_the_functions_that_pass_the_wall_are_for_the_service_alone(board):
    for call in DEFINERS:
        assert await board.database.app.fetchval(f"SELECT count(*) FROM {call}") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await board.database.runtime.fetchval(f"SELECT count(*) FROM {call}")
    for call in INNER:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await board.database.app.fetchval(f"SELECT count(*) FROM {call}")


async def test_those_functions_look_at_no_table_that_a_caller_made(board, admin):
    functions = await admin.fetch(
        """SELECT p.proname AS name, p.proowner::regrole::text AS owner, p.proconfig AS settings FROM pg_proc p
           JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND p.prosecdef
             AND p.proname IN ('search_tasks', 'possible_duplicates')"""
    )
    assert {row["name"] for row in functions} == {"search_tasks", "possible_duplicates"}
    assert {row["owner"] for row in functions}.isdisjoint({APP_ROLE, RUNTIME_ROLE})
    assert all("search_path=pg_catalog, public, pg_temp" in row["settings"] for row in functions)


async def test_tasks_that_are_older_than_search_are_found_too(urls, admin):
    async with boards.opened(urls[1]) as board:
        await board.task(title="Repair the lantern")
        gone = await board.task(title="Light the lantern")
        await move(board, gone, "archived")
        blocked = await board.task(title="Paint the wall", assignee_slugs=["engineer"])
        await move(board, blocked, "blocked", blocked_reason="the lantern is gone")
        before = await admin.fetch("SELECT * FROM task_texts ORDER BY task_id")
    await migrate.downgrade(urls[0], "0003")
    await migrate.upgrade(urls[0], SERVICE_USER)
    assert len(before) == 3
    assert await admin.fetch("SELECT * FROM task_texts ORDER BY task_id") == before
