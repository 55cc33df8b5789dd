"""Canceling what runs: the attempt is cut short and closed, and nothing of it comes again."""

import asyncio
from uuid import uuid4

import pytest

from app.kernel.wake import CONTROL
from app.runtime.worker import Worker
from tests import make

ASK = "UPDATE runtime_commands SET cancel_requested_at = now() WHERE id = $1"


@pytest.fixture
async def at_work(urls, database):
    """Starts a worker with these handlers; it is stopped at the end."""
    stop, working = asyncio.Event(), []

    def start(handlers, **about):
        worker = Worker(database, urls[1], handlers=handlers, **about)
        working.append(asyncio.create_task(worker.run(stop)))
        return worker

    yield start
    stop.set()
    await asyncio.gather(*working)


class Patient:
    """A handler that waits, and tells when it began and was cut short."""

    def __init__(self):
        self.began = asyncio.Event()
        self.cut = asyncio.Event()

    async def __call__(self, _attempt):
        self.began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cut.set()
            raise


async def outcome(admin, command_id):
    async def ended():
        return await admin.fetchrow(
            """SELECT c.state, t.outcome, t.completed_at IS NOT NULL FROM runtime_commands c
            JOIN runtime_command_attempts t ON t.command_id = c.id WHERE c.id = $1 AND c.state <> 'running'""",
            command_id,
        )

    return tuple(await make.until(ended))


@pytest.mark.parametrize("said", ["the account", "everybody", "nothing"])
async def test_who_runs_it_stops_when_told_or_at_the_next_beat(database, admin, account, at_work, said):
    patient = Patient()
    at_work({"test.noop": patient})
    [command_id] = await make.enqueued(database, account, make.order())
    await asyncio.wait_for(patient.began.wait(), 5)
    await admin.execute(ASK, command_id)
    if said != "nothing":
        database.wakes.send(CONTROL, str(account) if said == "the account" else "*")
    assert await outcome(admin, command_id) == ("canceled", "canceled", True)
    assert patient.cut.is_set()
    kinds = [row["type"] for row in await admin.fetch("SELECT type FROM events ORDER BY seq")]
    assert kinds[-1] == "runtime:command:canceled"
    row = await admin.fetchrow("SELECT finished_at, retention_until FROM runtime_commands")
    assert None not in row


async def test_a_lane_goes_on_with_the_next(database, admin, account, at_work):
    patient, done = Patient(), asyncio.Event()

    async def next_one(_attempt):
        done.set()

    at_work({"test.noop": patient, "test.next": next_one})
    lane = uuid4()
    first, _ = await make.enqueued(database, account, make.order(lane_id=lane), make.order(type="test.next", lane_id=lane))
    await asyncio.wait_for(patient.began.wait(), 5)
    await admin.execute(ASK, first)
    database.wakes.send(CONTROL, str(account))
    await asyncio.wait_for(done.wait(), 5)
    assert await outcome(admin, first) == ("canceled", "canceled", True)


async def test_what_its_handler_finished_meanwhile_has_succeeded(database, admin, account, at_work):
    began = asyncio.Event()

    async def finishing(attempt):
        async with attempt.transaction() as tx:
            attempt.finish(tx)
        began.set()
        await asyncio.sleep(0.2)

    at_work({"test.noop": finishing})
    [command_id] = await make.enqueued(database, account, make.order())
    await asyncio.wait_for(began.wait(), 5)
    await admin.execute(ASK, command_id)
    database.wakes.send(CONTROL, "*")
    assert await outcome(admin, command_id) == ("succeeded", "succeeded", True)


async def test_other_commands_of_the_worker_go_on(database, admin, account, at_work):
    patient, free = Patient(), asyncio.Event()

    async def other(_attempt):
        await free.wait()

    at_work({"test.noop": patient, "test.other": other})
    wanted, spared = await make.enqueued(database, account, make.order(), make.order(type="test.other"))
    await asyncio.wait_for(patient.began.wait(), 5)
    await admin.execute(ASK, wanted)
    database.wakes.send(CONTROL, "*")
    assert (await outcome(admin, wanted))[0] == "canceled"
    free.set()
    assert (await outcome(admin, spared))[0] == "succeeded"


async def test_a_retry_that_is_not_wanted_any_more_is_canceled(desk):
    [command_id] = await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    await desk.admin.execute(ASK, command_id)
    await desk.fail(claimed, jitter=0.9)
    row = await desk.row(command_id)
    assert (row["state"], row["run_at"] > row["updated_at"], row["finished_at"] is None) == ("canceled", False, False)
    assert await desk.events() == ["command:created", "command:started", "command:canceled"]


async def test_a_lost_command_that_is_not_wanted_any_more_is_canceled(desk):
    [command_id] = await desk.enqueue(make.order(lane_id=uuid4()))
    await desk.lease()
    await desk.admin.execute(ASK, command_id)
    await desk.lose()
    assert await desk.state(command_id) == "canceled"
    assert (await desk.admin.fetchrow("SELECT state, done_seq FROM runtime_lanes"))["done_seq"] == 1


async def test_who_waits_for_the_end_of_a_command_hears_of_its_cancel(desk):
    [command_id] = await desk.enqueue(make.order(payload={"on_give_up": "test.follow"}))
    [claimed] = await desk.claim()
    await desk.admin.execute(ASK, command_id)
    await desk.fail(claimed)
    follow = await desk.admin.fetchrow(
        "SELECT cause_id, payload ->> 'error_class' AS error FROM runtime_commands WHERE type = 'test.follow'"
    )
    assert follow["cause_id"] == command_id
    assert follow["error"] == "transient"
