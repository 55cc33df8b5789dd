"""A pause stops what has not begun; what it meets is held, and costs one touch."""

from uuid import uuid4

import pytest

from app.runtime import ledger
from app.runtime.intake import Intake
from tests import make

PAUSES = [("all", "", "pause:all:"), ("queue", "control", "pause:queue:control"), ("type", "test.noop", "pause:type:test.noop")]
TOUCHES = "SELECT count(*) FROM events WHERE type = 'runtime:command:held'"


@pytest.mark.parametrize(("kind", "name", "held_by"), PAUSES)
async def test_a_paused_command_is_held_and_not_begun(desk, kind, name, held_by):
    [command_id] = await desk.enqueue(make.order())
    await desk.pause(kind, name)
    assert await desk.claim() == []
    row = await desk.row(command_id)
    assert (row["state"], row["held_by"], row["attempt"], row["worker_id"]) == ("held", held_by, 0, None)
    assert await desk.events() == ["command:created", "command:held"]
    assert await desk.admin.fetchval("SELECT count(*) FROM runtime_command_attempts") == 0


async def test_a_pause_is_its_accounts_queues_and_types_own(desk):
    other = await make.account(desk.admin)
    await desk.pause("all", account=other)
    await desk.pause("queue", "ticks")
    await desk.pause("type", "test.other")
    ids = await desk.enqueue(make.order(), make.order(type="test.third"))
    assert {each.id for each in await desk.claim()} == set(ids)


async def test_a_retry_that_meets_a_pause_is_held_too(desk):
    [command_id] = await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    await desk.fail(claimed)
    await desk.pause("all")
    assert await desk.claim() == []
    row = await desk.row(command_id)
    assert (row["state"], row["attempt"]) == ("held", 1)


async def test_a_paused_backlog_costs_one_touch_a_row_and_delays_nobody(desk):
    await desk.backlog(1_000)
    await desk.pause("all")
    single = await desk.enqueue(make.order(), account=await make.account(desk.admin))
    intake, claims = Intake(desk.pool, desk.worker), []
    for _ in range(100):
        claims += await intake.claim(50)
    assert [each.id for each in claims] == single
    assert await desk.admin.fetchval(TOUCHES) == 1_000
    assert await desk.admin.fetchval("SELECT max(last_seq) FROM event_counters") == 1_000


async def test_a_paused_lane_waits_untouched_and_goes_on_when_the_pause_ends(desk):
    lane = uuid4()
    first, _ = await desk.enqueue(make.order(lane_id=lane), make.order(lane_id=lane))
    await desk.pause("type", "test.noop")
    assert await desk.lease() == []
    assert await desk.admin.fetchval("SELECT state FROM runtime_lanes") == "waiting"
    assert await desk.state(first) == "queued"
    assert not await ledger.wake_lanes(desk.pool)
    await desk.admin.execute("DELETE FROM runtime_pauses")
    assert await ledger.wake_lanes(desk.pool)
    assert [each.id for each in await desk.lease()] == [first]
