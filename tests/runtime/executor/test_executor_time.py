"""A handler that takes too long is cut short; one that does not let itself be cut is left behind, unable to write."""

import asyncio
import sys
from dataclasses import replace

import pytest

from app.kernel import settings
from app.kernel.errors import Fenced
from app.runtime import ledger, life, running
from app.runtime.rules.profiles import profile_of
from app.runtime.worker import Worker
from tests import make
from tests.runtime.test_crash import END_LOCK_HOLDERS


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(running, "ABANDON_SECONDS", 0.2)
    monkeypatch.setattr(life, "GIVE_BACK_SECONDS", 1.0)


@pytest.fixture
async def at_work(urls, database):
    """Starts a worker whose attempts may take a tenth of a second; it is stopped at the end."""
    stop, working = asyncio.Event(), []

    def start(handlers, **changes):
        def profiles(_account_id, name):
            return replace(profile_of(name), **({"timeout": 0.1} | changes))

        worker = Worker(database, urls[1], handlers=handlers, profiles=profiles, jitter=lambda: 0.0, drain_seconds=2.0)
        working.append(asyncio.create_task(worker.run(stop)))
        return worker, stop, working[-1]

    yield start
    stop.set()
    await asyncio.gather(*working)


def stubborn(release, writes=None):
    """A handler that swallows every cancellation until it is released, and then wants to write all the same."""

    async def handle(attempt):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        if writes is not None:
            try:
                async with attempt.transaction() as tx:
                    attempt.finish(tx)
            except Fenced as error:
                writes.append(error)
                raise

    return handle


def state(admin, **wanted):
    async def reached():
        row = await admin.fetchrow(
            "SELECT state, attempt, last_error_class AS error FROM runtime_commands ORDER BY created_at, id"
        )
        return row is not None and all(row[name] == value for name, value in wanted.items())

    return reached


async def test_an_attempt_past_its_time_is_cut_short_and_tried_again(admin, database, account, at_work):
    cuts = []

    async def slow(_attempt):
        try:
            await asyncio.sleep(60)
        finally:
            cuts.append(1)

    at_work({"test.noop": slow}, attempts=2)
    await make.enqueued(database, account, make.order())
    await make.until(state(admin, state="dead_lettered", attempt=2, error="attempt_timeout"))
    rows = await admin.fetch("SELECT outcome, error_class, error_message FROM runtime_command_attempts ORDER BY attempt")
    assert [tuple(row) for row in rows] == [("failed", "attempt_timeout", "it took longer than 0.1 s")] * 2
    assert len(cuts) == 2


async def test_a_handler_that_swallows_its_cancel_and_returns_has_timed_out(admin, database, account, at_work):
    async def forgiving(_attempt):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    at_work({"test.noop": forgiving}, attempts=1)
    await make.enqueued(database, account, make.order())
    await make.until(state(admin, state="dead_lettered", error="attempt_timeout"))


async def test_a_handler_that_cancels_itself_has_failed(admin, database, account, at_work):
    async def confused(_attempt):
        raise asyncio.CancelledError

    at_work({"test.noop": confused})
    await make.enqueued(database, account, make.order())
    await make.until(state(admin, state="dead_lettered", error="internal"))


async def test_an_attempt_that_lost_a_race_but_holds_its_command_is_tried_again(admin, database, account, at_work):
    async def beaten(attempt):
        if attempt.claim.attempt == 1:
            raise Fenced("guarded wrote 0 rows, not 1")

    worker, _, _ = at_work({"test.noop": beaten}, base=0, timeout=60)
    await make.enqueued(database, account, make.order())
    await make.until(state(admin, state="succeeded", attempt=2))
    rows = await admin.fetch("SELECT outcome, error_class FROM runtime_command_attempts ORDER BY attempt")
    assert [tuple(row) for row in rows] == [("failed", "transient"), ("succeeded", None)]
    assert worker.fenced == 0


async def test_a_stubborn_handler_is_left_behind_and_its_slot_is_free(admin, database, account, urls):
    release, done, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    writes: list[Fenced] = []

    async def noop(_attempt):
        done.set()

    def profiles(_account_id, name):
        return replace(profile_of(name), timeout=0.1, attempts=1)

    handlers = {"test.bad": stubborn(release, writes), "test.noop": noop}
    worker = Worker(database, urls[1], handlers=handlers, slots=1, profiles=profiles)
    working = asyncio.create_task(worker.run(stop))
    await make.enqueued(database, account, make.order(type="test.bad"))
    await make.until(state(admin, state="dead_lettered", error="attempt_timeout"))
    await make.enqueued(database, account, make.order())
    await asyncio.wait_for(done.wait(), 5)
    assert worker.counts.abandoned.total() == 1
    # What it tries long after changes nothing.
    release.set()
    await make.until(lambda: asyncio.sleep(0, writes))
    assert await admin.fetchval("SELECT state FROM runtime_commands WHERE type = 'test.bad'") == "dead_lettered"
    stop.set()
    await working


async def test_a_stubborn_handler_does_not_block_the_drain(admin, database, account, at_work):
    release = asyncio.Event()
    worker, stop, working = at_work({"test.bad": stubborn(release)}, timeout=60)
    await make.enqueued(database, account, make.order(type="test.bad"))
    await make.until(state(admin, state="running"))
    stop.set()
    await asyncio.wait_for(working, 5)
    assert await admin.fetchval("SELECT state = 'queued' AND released = 1 FROM runtime_commands")
    assert await admin.fetchval("SELECT count(*) FROM runtime_workers") == 0
    assert worker.counts.abandoned.total() == 1
    release.set()


async def test_a_stubborn_handler_does_not_keep_a_lost_worker_from_its_next_life(admin, database, account, at_work, urls):
    release = asyncio.Event()
    writes: list[Fenced] = []
    worker, _, _ = at_work({"test.bad": stubborn(release, writes)}, timeout=60)
    await make.enqueued(database, account, make.order(type="test.bad"))
    await make.until(state(admin, state="running", attempt=1))
    await make.execute(urls[0], END_LOCK_HOLDERS)
    await make.until(state(admin, state="running", attempt=2))
    assert (worker.counts.lives_lost, worker.counts.abandoned.total()) == (1, 1)
    release.set()
    await make.until(state(admin, state="succeeded", attempt=2))
    # The first attempt's handler wanted to write as well.
    assert len(writes) == 1


async def test_the_profiles_in_force_govern_the_reaper_too(desk):
    [command_id] = await desk.enqueue(make.order())
    await desk.claim()
    desk.lock_holders[0].terminate()

    def strict(_account_id, name):
        return replace(profile_of(name), retry_on=frozenset())

    await make.until(lambda: ledger.reap(desk.pool, strict))
    assert await desk.state(command_id) == "dead_lettered"


async def test_a_worker_counts_what_it_does(admin, database, account, at_work):
    async def fails(_attempt):
        raise ValueError("no")

    async def noop(_attempt):
        return

    worker, _, _ = at_work({"test.noop": noop, "test.fails": fails})
    await make.enqueued(database, account, make.order(), make.order(), make.order(type="test.fails", profile="best_effort"))
    ended = "SELECT count(*) = 3 FROM runtime_commands WHERE finished_at IS NOT NULL"
    await make.until(lambda: admin.fetchval(ended))
    counts, kind, failing = worker.counts, ("test.noop", "standard_async"), ("test.fails", "best_effort")
    assert counts.claims == {kind: 2, failing: 1}
    assert counts.outcomes == {(*kind, "succeeded", ""): 2, (*failing, "failed", "internal"): 1}
    assert (counts.late[kind].count, counts.ran[kind].count, counts.fenced) == (2, 2, 0)
    await make.until(lambda: asyncio.sleep(0, counts.empty_claims > 0))


STUBBORN = """
import asyncio
from app.cli.worker import leave_behind

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def main():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await leave_behind()

asyncio.run(main())
"""


async def test_a_stubborn_handler_does_not_keep_the_process_alive():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUBBORN, cwd=settings.ROOT)
    try:
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
