"""How many commands that share a key run at once; every end gives its slot back exactly once."""

import asyncio
import random
from uuid import uuid4

import pytest

from app.kernel import db
from app.runtime import closings, ledger
from app.runtime.taxonomy import REGISTRY, command
from app.runtime.types import Idempotency, LaneState
from tests import make
from tests.runtime.executor.desk import INVALID

TYPE = "test.limited"
OVERRUN = "SELECT count(*) FROM runtime_limits WHERE used > most OR used < 0"
WAITING = "SELECT count(*) FROM runtime_lanes WHERE state = 'waiting'"


@pytest.fixture(autouse=True)
def _limited():
    if all(kind.name != TYPE for kind in REGISTRY.all()):

        @command(
            TYPE,
            payload=dict,
            owner="tests",
            idempotency=Idempotency.CALLER,
            concurrency=lambda payload: tuple(payload["keys"]),
        )
        async def _limited(_attempt):
            """Nothing."""


def orders(many, *keys, **fields):
    return [make.order(type=TYPE, payload={"keys": keys}, **fields) for _ in range(many)]


async def most(desk):
    return {row["key"]: row["most"] for row in await desk.admin.fetch("SELECT key, most FROM runtime_limits")}


async def waiting(desk):
    return await desk.admin.fetchval(WAITING)


async def test_a_key_gets_its_limit_from_the_account_or_its_kind(desk):
    await desk.setting("limit.dependency.most", 7)
    await desk.enqueue(*orders(1, "agent:a", "dependency:d", "thing:t"))
    assert await most(desk) == {"agent:a": 5, "dependency:d": 7, "thing:t": 50}
    assert await desk.admin.fetchval("SELECT limit_keys FROM runtime_lanes") == ["agent:a", "dependency:d", "thing:t"]


async def test_a_changed_setting_reaches_the_limits_there_are(desk):
    await desk.enqueue(*orders(1, "agent:a"))
    await desk.setting("limit.agent.most", 2)
    await ledger.refresh_limits(desk.pool)
    assert await most(desk) == {"agent:a": 2}
    await desk.admin.execute("DELETE FROM runtime_settings")
    await ledger.refresh_limits(desk.pool)
    assert await most(desk) == {"agent:a": 5}


async def test_no_more_run_than_the_limit_says_within_one_claim(desk):
    await desk.setting("limit.agent.most", 2)
    ids = await desk.enqueue(*orders(5, "agent:a"), *orders(1, "agent:b"))
    claims = await desk.lease()
    assert {each.id for each in claims} == {ids[0], ids[1], ids[5]}
    assert await desk.used() == {"agent:a": 2, "agent:b": 1}
    assert (await waiting(desk), await desk.lease()) == (3, [])


async def test_a_command_needs_room_under_each_of_its_keys(desk):
    await desk.setting("limit.agent.most", 1)
    first, _ = await desk.enqueue(*orders(1, "agent:a", "dependency:d"), *orders(1, "agent:a", "dependency:e"))
    assert [each.id for each in await desk.lease()] == [first]
    assert await desk.used() == {"agent:a": 1, "dependency:d": 1, "dependency:e": 0}


async def test_who_waits_goes_on_when_a_slot_is_free_oldest_first(desk):
    await desk.setting("limit.agent.most", 1)
    ids = await desk.enqueue(*orders(3, "agent:a"))
    for command_id in ids:
        [claimed] = await desk.lease()
        assert claimed.id == command_id
        await desk.succeed(claimed)
    assert await desk.used() == {"agent:a": 0}


async def end_by_finish(desk, claimed):
    await desk.finish(claimed)


async def end_by_success(desk, claimed):
    await desk.succeed(claimed)


async def end_by_retry(desk, claimed):
    await desk.fail(claimed)


async def end_by_giving_up(desk, claimed):
    await desk.fail(claimed, INVALID)


async def end_by_release(desk, claimed):
    await ledger.close(desk.pool, [closings.released(claimed, worker_id=desk.worker)])


async def end_by_cancel(desk, claimed):
    await ledger.close(desk.pool, [closings.canceled(claimed, worker_id=desk.worker)])


async def end_by_death(desk, _claimed):
    await desk.lose()


ENDS = [end_by_finish, end_by_success, end_by_retry, end_by_giving_up, end_by_release, end_by_cancel, end_by_death]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_every_end_gives_its_slots_back_once(desk, end):
    await desk.setting("limit.agent.most", 1)
    await desk.enqueue(*orders(2, "agent:a", "dependency:d"))
    [claimed] = await desk.lease()
    assert (await desk.used(), await waiting(desk)) == ({"agent:a": 1, "dependency:d": 1}, 1)
    await end(desk, claimed)
    assert (await desk.used(), await waiting(desk)) == ({"agent:a": 0, "dependency:d": 0}, 0)
    # A late word of the same attempt gives nothing back again.
    await desk.admin.execute("UPDATE runtime_limits SET used = 1")
    assert await desk.succeed(claimed) == set()
    assert await desk.used() == {"agent:a": 1, "dependency:d": 1}


async def test_a_lane_that_gets_its_keys_while_it_runs_gives_back_what_it_took(desk):
    lane = uuid4()
    await desk.enqueue(make.order(lane_id=lane))
    [claimed] = await desk.lease()
    await desk.enqueue(*orders(1, "agent:a", lane_id=lane))
    await desk.admin.execute("UPDATE runtime_limits SET used = 3")
    await desk.succeed(claimed)
    assert await desk.used() == {"agent:a": 3}
    await desk.lease()
    assert await desk.used() == {"agent:a": 4}


async def test_a_limit_that_somebody_changes_at_this_moment_is_not_waited_for(desk):
    await desk.enqueue(*orders(1, "agent:a"))
    async with desk.admin.transaction():
        await desk.admin.execute("SELECT 1 FROM runtime_limits FOR UPDATE")
        assert await desk.lease() == []
    assert await waiting(desk) == 1
    assert await ledger.wake_lanes(desk.pool)
    assert len(await desk.lease()) == 1


async def test_a_limit_that_counts_wrong_is_set_to_what_runs(desk):
    await desk.enqueue(*orders(2, "agent:a"), *orders(1, "agent:b"))
    await desk.lease()
    await desk.admin.execute("UPDATE runtime_limits SET used = CASE key WHEN 'agent:a' THEN 5 ELSE 0 END")
    assert await ledger.repair_limits(desk.pool) == 2
    assert await desk.used() == {"agent:a": 2, "agent:b": 1}
    assert await ledger.repair_limits(desk.pool) == 0


async def test_many_workers_and_repairs_keep_within_the_limits(urls, desk, a_worker):
    for kind in ("agent", "dependency"):
        await desk.setting(f"limit.{kind}.most", 3)
    wanted = []
    for _ in range(120):
        keys = random.sample(["agent:a", "agent:b", "dependency:d"], k=random.randint(1, 2))
        wanted += orders(1, *keys)
    await desk.enqueue(*wanted)
    crew = [(await db.pool(urls[1], role=db.RUNTIME_ROLE, size=1), await a_worker()) for _ in range(4)]
    overruns = []

    async def work(pool, worker):
        while await desk.look("SELECT count(*) FROM runtime_commands WHERE state <> 'succeeded'"):
            claims = await ledger.claim_lanes(pool, worker, wanted=5)
            await asyncio.sleep(random.uniform(0, 0.004))
            await ledger.close(pool, [closings.succeeded(each, worker_id=worker) for each in claims])
            await (ledger.wake_lanes(pool) if random.random() < 0.5 else ledger.repair_limits(pool))
            overruns.append(await desk.look(OVERRUN))

    await asyncio.gather(*[work(pool, worker) for pool, worker in crew])
    for pool, _ in crew:
        await pool.close()
    assert set(overruns) == {0}
    assert await desk.used() == {"agent:a": 0, "agent:b": 0, "dependency:d": 0}
    assert await desk.admin.fetchval("SELECT bool_and(state = $1) FROM runtime_lanes", LaneState.IDLE)
    assert await ledger.repair_limits(desk.pool) == 0
