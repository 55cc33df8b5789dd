import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from app.kernel import migrate, server
from app.runtime.worker import Worker
from tests import make
from tests.conftest import IN_MEMORY, MEMORY

CRASH_WORKER = Path(__file__).with_name("crash_worker.py")
EFFECTS = "CREATE TABLE effects (account_id uuid, command_id uuid); GRANT INSERT ON effects TO callboard_app"
END_LOCK_HOLDERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'callboard-direct' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"""
KILLS, EFFECTS_WANTED = 8, 1500


@pytest.fixture
async def effects(admin):
    await admin.execute(EFFECTS)


@pytest.fixture
async def spawn(urls):
    """Starts worker processes; what is left of them at the end is killed."""
    processes = []

    async def start(*, drain_seconds: float = 5.0):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CRASH_WORKER),
            urls[1],
            str(drain_seconds),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


def count(admin, condition):
    async def counted():
        return await admin.fetchval(f"SELECT count(*) FROM runtime_commands WHERE {condition}")

    return counted


def is_empty(admin, condition):
    async def empty():
        return await count(admin, condition)() == 0

    return empty


async def test_killed_workers_lose_nothing_and_do_nothing_twice(database, admin, account, effects, spawn):
    lanes = [uuid4() for _ in range(10)]
    for _ in range(10):
        orders = [make.order(type="test.effect") for _ in range(130)]
        orders += [make.order(type="test.effect", lane_id=lane) for lane in lanes for _ in range(2)]
        await make.enqueued(database, account, *orders)
    crew = [await spawn() for _ in range(3)]
    await make.until(count(admin, "state = 'succeeded'"))
    for _ in range(KILLS):
        await asyncio.sleep(random.uniform(0.05, 0.25))
        place = random.randrange(len(crew))
        crew[place].kill()
        await crew[place].wait()
        crew[place] = await spawn()
    await make.until(is_empty(admin, "state <> 'succeeded'"))
    assert await admin.fetchval("SELECT count(*) FROM effects") == EFFECTS_WANTED
    assert await admin.fetchval("SELECT count(DISTINCT command_id) FROM effects") == EFFECTS_WANTED
    assert await admin.fetchval("SELECT count(*) FROM runtime_command_attempts WHERE outcome = 'succeeded'") == EFFECTS_WANTED
    assert await admin.fetchval("SELECT bool_and(state = 'idle' AND done_seq = 20) FROM runtime_lanes")
    assert await admin.fetchval("SELECT sum(lost) FROM runtime_commands") > 0
    unequal = """SELECT count(*) FROM runtime_commands c WHERE attempt <>
        (SELECT count(*) FROM runtime_command_attempts t WHERE t.command_id = c.id AND t.completed_at IS NOT NULL)"""
    assert await admin.fetchval(unequal) == 0
    gaps = "SELECT max(seq) - count(*) FROM events"
    assert await admin.fetchval(gaps) == 0


async def test_what_a_killed_worker_ran_starts_elsewhere_at_once(database, admin, account, spawn):
    first, second = await spawn(), await spawn()
    [command_id] = await make.enqueued(database, account, make.order(type="test.slow"))
    pid_of = """SELECT w.pid FROM runtime_commands c JOIN runtime_workers w ON w.id = c.worker_id
        WHERE c.id = $1 AND c.state = 'running' AND c.attempt = $2"""

    def running(attempt):
        return lambda: admin.fetchval(pid_of, command_id, attempt)

    pid = await make.until(running(1))
    victim, other = (first, second) if first.pid == pid else (second, first)
    clock = asyncio.get_running_loop().time
    victim.kill()
    killed_at = clock()
    assert await make.until(running(2)) == other.pid
    assert clock() - killed_at < 2
    assert await admin.fetchval("SELECT lost FROM runtime_commands") == 1


async def test_poison_is_buried_after_four_deaths(database, admin, account, spawn):
    await make.enqueued(database, account, make.order(type="test.poison"), make.order(type="test.noop", delay_seconds=600))
    worker = await spawn()
    is_buried = count(admin, "type = 'test.poison' AND state = 'dead_lettered'")

    async def buried():
        nonlocal worker
        if worker.returncode is not None:
            worker = await spawn()
        return await is_buried()

    await make.until(buried, seconds=30)
    row = await admin.fetchrow("SELECT attempt, lost, last_error_class FROM runtime_commands WHERE type = 'test.poison'")
    assert tuple(row) == (4, 4, "worker_lost")
    assert await admin.fetchval("SELECT reason_class FROM runtime_dead_letters") == "worker_lost"
    assert worker.returncode is None


async def test_sigterm_finishes_what_is_brief_and_gives_back_the_rest(database, admin, account, spawn):
    worker = await spawn(drain_seconds=1.0)
    await make.enqueued(
        database,
        account,
        make.order(type="test.slow"),
        make.order(type="test.slow", lane_id=uuid4()),
        make.order(type="test.brief"),
    )
    started = count(admin, "state = 'running'")

    async def all_started():
        return await started() == 3

    await make.until(all_started)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 10) == 0
    rows = await admin.fetch("SELECT type, state, released FROM runtime_commands ORDER BY type, state")
    assert [tuple(row) for row in rows] == [("test.brief", "succeeded", 0), *[("test.slow", "queued", 1)] * 2]
    assert await admin.fetchval("SELECT count(*) FROM runtime_workers") == 0
    assert await admin.fetchval("SELECT state FROM runtime_lanes") == "ready"


async def test_a_second_signal_gives_back_everything(database, urls, admin, account):
    async def slow(_attempt):
        await asyncio.sleep(60)

    stop = asyncio.Event()
    working = asyncio.create_task(Worker(database, urls[1], handlers={"test.slow": slow}, drain_seconds=60).run(stop))
    await make.enqueued(database, account, make.order(type="test.slow"))
    await make.until(count(admin, "state = 'running'"))
    stop.set()
    await asyncio.sleep(0.1)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await count(admin, "state = 'queued' AND released = 1")() == 1


async def test_a_lost_connection_starts_a_new_life(database, urls, admin, account):
    lives = []

    async def slow(attempt):
        lives.append(attempt.worker_id)
        if len(lives) == 1:
            await make.execute(urls[0], END_LOCK_HOLDERS)
            await asyncio.sleep(60)

    stop = asyncio.Event()
    working = asyncio.create_task(Worker(database, urls[1], handlers={"test.slow": slow}).run(stop))
    await make.enqueued(database, account, make.order(type="test.slow"))
    await make.until(count(admin, "state = 'succeeded'"))
    stop.set()
    await working
    assert len(set(lives)) == 2


async def test_a_side_task_that_dies_stops_the_worker_loudly(database, urls, admin, account):
    # The reaper's statement fails in a way that no new connection cures.
    await admin.execute("ALTER TABLE runtime_workers RENAME COLUMN lock_key TO lost_key")
    await admin.execute("ALTER TABLE runtime_workers ADD COLUMN lock_key text")
    worker = Worker(database, urls[1], handlers={})
    with pytest.raises(asyncpg.PostgresError):
        await asyncio.wait_for(worker.run(asyncio.Event()), 10)


@pytest.fixture
def directory():
    made = Path(tempfile.mkdtemp(prefix="callboard-tests-", dir=MEMORY if IN_MEMORY else None))
    # Under root the server runs as another user, who must pass.
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_the_database_may_restart_under_a_worker(directory):
    running = server.start_local(directory)
    done = []

    async def noop(attempt):
        done.append(attempt.claim.id)

    async def is_done(command_ids):
        await make.until(lambda: asyncio.sleep(0, set(command_ids) <= set(done)), seconds=10)

    try:
        await migrate.upgrade(running.admin_url, server.SERVICE_USER)
        account = await make.account_at(running.admin_url)
        stop = asyncio.Event()
        async with make.opened(running.url, subscribers={}) as database:
            working = asyncio.create_task(Worker(database, running.url, handlers={"test.noop": noop}).run(stop))
            await is_done(await make.enqueued(database, account, make.order()))
            await asyncio.to_thread(running.stop)
            running = await asyncio.to_thread(server.start_local, directory)
            await is_done(await make.enqueued(database, account, make.order()))
            stop.set()
            await working
    finally:
        await asyncio.to_thread(running.stop)
