import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.kernel import datadir, server
from app.kernel.server import LocalServer
from app.kernel.settings import ROOT
from app.kernel.startup import CannotStart
from tests.conftest import IN_MEMORY, MEMORY

START_AND_WAIT = """
import sys, time
from pathlib import Path
from app.kernel import datadir, server
claim = datadir.claim(Path(sys.argv[1]), url="http://elsewhere")
print(server.start_local(Path(sys.argv[1])).pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # pytest's own directories are closed to the user that the server runs as under root.
    directory = Path(tempfile.mkdtemp(prefix="board-", dir=MEMORY if IN_MEMORY else None))
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield directory
    left_over = server.find_local(directory)
    if left_over:
        left_over.stop()
    shutil.rmtree(directory)


@pytest.fixture
def local(data_dir) -> Iterator[LocalServer]:
    running = server.start_local(data_dir)
    yield running
    running.stop()


@pytest.fixture
def owner(data_dir) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", START_AND_WAIT, str(data_dir)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    yield process
    process.kill()
    process.communicate()


async def test_the_board_gets_a_server_without_a_port_and_a_role_without_powers(local):
    board = await asyncpg.connect(local.url)
    row = await board.fetchrow("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
    assert tuple(row or ()) == (False, False, False)
    assert await board.fetchval("SELECT current_setting('listen_addresses')") == ""
    assert await board.fetchval("SELECT current_setting('max_connections')::int") == 200
    await board.close()
    admin = await asyncpg.connect(local.admin_url)
    assert await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
    await admin.close()


async def test_what_was_written_is_there_after_a_stop(data_dir, local):
    await _run(local, "CREATE TABLE kept (answer int); INSERT INTO kept VALUES (42)")
    local.stop()
    assert server.find_local(data_dir) is None
    again = server.start_local(data_dir)
    admin = await asyncpg.connect(again.admin_url)
    assert await admin.fetchval("SELECT answer FROM kept") == 42
    await admin.close()
    again.stop()


def test_a_server_that_outlived_its_board_is_adopted_and_can_be_stopped(data_dir, owner):
    pid = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    local = server.start_local(data_dir)
    assert (local.was_adopted, local.pid, local.is_running()) == (True, pid, True)
    local.stop()
    assert local.is_running() is False
    assert server.find_local(data_dir) is None


async def test_a_crashed_server_comes_back_at_the_same_address(data_dir):
    deep = data_dir / ("x" * 100)
    before = server.start_local(deep)
    assert "x" * 100 not in before.url
    await _run(before, "CREATE TABLE kept ()")
    os.kill(before.pid, signal.SIGKILL)
    # Dead but not reaped, the server looks alive to the next one.
    await asyncio.to_thread(os.waitid, os.P_PID, before.pid, os.WEXITED | os.WNOWAIT)
    after = server.start_local(deep)
    assert before.is_running() is False
    assert (after.url, after.was_adopted) == (before.url, False)
    await _run(after, "SELECT * FROM kept")
    after.stop()


def test_a_first_start_that_was_interrupted_is_done_again(data_dir):
    (data_dir / "postgres.unfinished").mkdir()
    (data_dir / "postgres.unfinished" / "PG_VERSION").write_text("18")
    local = server.start_local(data_dir)
    assert local.is_running() is True
    local.stop()


def test_data_of_another_major_version_is_refused_with_the_way_out(data_dir):
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(CannotStart) as error:
        server.start_local(data_dir)
    message = str(error.value)
    assert message.startswith(f"{data_dir}/postgres was made by PostgreSQL 9, and this is PostgreSQL ")
    assert all(way in message for way in ("pg_dump", "DATABASE_URL", "move the directory aside"))
    assert "\n" not in message


def test_a_data_directory_has_one_board_and_a_second_is_told_which(data_dir, owner):
    owner.stdout.readline()
    with pytest.raises(datadir.AlreadyRunning) as error:
        datadir.claim(data_dir, url="http://here")
    assert str(error.value) == f"already running on {data_dir} as process {owner.pid} at http://elsewhere"
    assert datadir.holder(data_dir) == datadir.Holder(pid=owner.pid, url="http://elsewhere")


def test_the_claim_of_a_killed_board_is_free_again(data_dir, owner):
    owner.stdout.readline()
    owner.kill()
    owner.wait()
    assert datadir.holder(data_dir) is None
    datadir.claim(data_dir, url="http://here").release()


async def _run(local: LocalServer, sql: str) -> None:
    connection = await asyncpg.connect(local.admin_url)
    await connection.execute(sql)
    await connection.close()
