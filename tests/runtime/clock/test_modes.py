"""Which clock a database has is decided once, at its first start."""

import asyncio
import json
import os
import sys
from uuid import uuid4

import asyncpg
import pytest

from app import main
from app.kernel import clock, db, migrate
from app.kernel.settings import ROOT
from app.kernel.startup import CannotStart
from tests import boards, make
from tests.conftest import SERVICE_USER
from tests.runtime.clock.conftest import START

ROLES = (db.APP_ROLE, db.RUNTIME_ROLE, db.AUTH_ROLE)
NOW, MODE = "SELECT public.callboard_now()", "SELECT mode FROM runtime_clock"
COMMANDS = (["serve"], ["worker"], ["seed"], ["token", "demo", "engineer"], ["db", "upgrade"], ["db", "downgrade"], ["up"])
ONE_BY_ONE = """
import json, sys
from app.cli import menu
codes = []
for command in json.loads(sys.argv[1]):
    sys.argv[1:] = command
    try:
        codes.append(menu.main())
    except SystemExit as end:
        codes.append(end.code)
print(json.dumps(codes))
"""


async def start(urls, mode):
    """What a first start does to a database."""
    await migrate.upgrade(urls[0], SERVICE_USER, mode=mode)


async def test_a_new_database_takes_the_clock_that_it_is_first_started_with_and_keeps_it(urls, admin):
    await start(urls, clock.SIMULATED)
    first = await admin.fetchval(NOW)
    assert abs((first - clock.now()).total_seconds()) < 60
    await start(urls, clock.SIMULATED)
    assert (await admin.fetchval(NOW), await admin.fetchval(MODE)) == (first, "simulated")
    with pytest.raises(CannotStart, match="began with the simulated clock and keeps it: set CALLBOARD_CLOCK=simulated"):
        await start(urls, clock.SYSTEM)
    assert await admin.fetchval(NOW) == first


async def test_a_database_in_use_never_changes_its_clock(urls, admin):
    await start(urls, clock.SYSTEM)
    await make.account(admin)
    with pytest.raises(CannotStart, match="began with the system clock and keeps it: set CALLBOARD_CLOCK=system"):
        await start(urls, clock.SIMULATED)
    assert await admin.fetchval(MODE) == "system"
    assert await admin.fetchval("SELECT callboard_now() = transaction_timestamp()")


async def test_an_owner_whom_the_wall_binds_sees_that_a_database_is_in_use(urls, admin):
    """Row-level security is forced, so an owner who is no superuser would take a full table for an empty one."""
    await make.account(admin)
    owner = f"owner_{uuid4().hex[:8]}"
    await admin.execute(f"CREATE ROLE {owner} LOGIN NOINHERIT PASSWORD 'x' NOSUPERUSER; GRANT {db.AUTH_ROLE} TO {owner}")
    for table in ("accounts", "runtime_clock"):
        await admin.execute(f"ALTER TABLE {table} OWNER TO {owner}")
    try:
        bound = await asyncpg.connect(db.plain(make.url_as(urls[0], user=owner, password="x")))
        with pytest.raises(CannotStart):
            await clock.choose(bound, clock.SIMULATED, reader=db.AUTH_ROLE)
        await bound.close()
    finally:
        await admin.execute(f"DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}")


async def refused_with(url, mode):
    with pytest.raises(CannotStart, match=f"CALLBOARD_CLOCK is {mode}"):
        async with main.opened(boards.settings_for(url, CALLBOARD_CLOCK=mode)):
            raise AssertionError("it opened")


async def test_no_process_opens_a_database_of_the_simulated_clock_with_the_system_one(simulated):
    await refused_with(simulated[1], "system")


async def test_no_process_opens_a_database_of_the_system_clock_with_a_simulated_one(urls):
    await refused_with(urls[1], "simulated")


async def said(url, *, directory):
    """The exit codes of the commands, one after the other in one process, and what all of them said."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "CALLBOARD_DATA_DIR": str(directory),
        "CALLBOARD_PORT": "18765",
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ONE_BY_ONE, json.dumps(COMMANDS)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    codes, errors = await process.communicate()
    return json.loads(codes), errors.decode().splitlines()


async def test_every_command_refuses_with_one_line_that_says_what_to_do(simulated, tmp_path):
    line = "callboard: CALLBOARD_CLOCK is system, but this database began with the simulated clock and keeps it: set "
    line += "CALLBOARD_CLOCK=simulated, or use another database"
    assert await said(simulated[1], directory=tmp_path) == ([1] * len(COMMANDS), [line] * len(COMMANDS))


async def test_every_role_and_every_default_sees_the_simulated_time(simulated, admin):
    account = await make.account(admin)
    assert await admin.fetchval("SELECT created_at FROM accounts WHERE id = $1", account) == START
    for role in ROLES:
        await admin.execute(f"SET ROLE {role}; SET search_path = pg_catalog")
        assert await admin.fetchval(NOW) == START
        await admin.execute("RESET ROLE")


async def test_only_the_runtime_may_move_the_clock(simulated, admin):
    for role in (db.APP_ROLE, db.AUTH_ROLE):
        await admin.execute(f"SET ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await admin.execute("UPDATE runtime_clock SET at = at + interval '1 s'")
        await admin.execute("RESET ROLE")


async def test_a_simulated_clock_leaves_indexes_usable(simulated, admin):
    await admin.execute("SET enable_seqscan = off")
    due = "SELECT FROM runtime_commands WHERE prio = 1 AND lane_id IS NULL AND state IN ('queued', 'retry_scheduled')"
    plan = await admin.fetch(f"EXPLAIN {due} AND run_at <= callboard_now() ORDER BY run_at, id LIMIT 1")
    text = "\n".join(row[0] for row in plan)
    assert "runtime_commands_claim_idx" in text
    assert "run_at <= callboard_now()" in text.partition("Index Cond")[2].splitlines()[0]


async def test_taking_the_migration_back_takes_the_simulated_clock_back(simulated, admin):
    for revision in ("0004", "base"):
        await migrate.downgrade(simulated[0], revision)
        if revision == "0004":
            assert await admin.fetchval("SELECT callboard_now() = transaction_timestamp()")
    await start(simulated, clock.SIMULATED)
    assert await admin.fetchval(MODE) == "simulated"
