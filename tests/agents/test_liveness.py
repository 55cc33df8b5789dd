"""Who is there: signs of life, silence, and what people are told of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import main
from app.agents import liveness, rules
from app.agents.presence import Presence
from app.kernel import clock, db
from tests import boards, make
from tests.tasks.holders import held

START = datetime(2031, 1, 6, 8, 0, tzinfo=UTC)
PRESENCE = "SELECT type FROM events WHERE type IN ('board:agent:online', 'board:agent:offline') ORDER BY seq"
SWEEPING = "SELECT is_enabled FROM runtime_schedules WHERE name = 'liveness'"


@pytest.fixture
async def simulated(urls, admin):
    await clock.choose(admin, clock.SIMULATED, reader=db.AUTH_ROLE, at=START)
    async with boards.in_own_task(lambda: boards.opened(urls[1], CALLBOARD_CLOCK="simulated")) as board:
        yield board


async def later(admin, seconds):
    await admin.execute("UPDATE runtime_clock SET at = at + $1", timedelta(seconds=seconds))


async def swept(board):
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        return await liveness.sweep(tx)


async def call(board, slug="engineer"):
    assert (await board.as_(slug).post("/agent/get-agent-skills", json={})).status_code == 200


async def shown(board, slug="engineer"):
    agents = (await board.person.get("/api/v1/agents")).json()["items"]
    return next(agent["presence"] for agent in agents if agent["slug"] == slug)


async def changes(admin):
    return [row["type"].rpartition(":")[2] for row in await admin.fetch(PRESENCE)]


async def told(board):
    notices = (await board.person.get("/api/v1/notifications")).json()["items"]
    return [one["title"] for one in notices if one["type"] == "presence"]


async def test_an_agent_that_never_called_is_neither_online_nor_offline(simulated):
    assert await shown(simulated) is None


async def test_an_agent_is_online_once_it_called_offline_after_ninety_silent_seconds_and_back_with_its_next_call(
    simulated, admin
):
    await call(simulated)
    assert await shown(simulated) == "online"
    await later(admin, 90)
    assert (await swept(simulated), await shown(simulated)) == (0, "online")
    await later(admin, 1)
    assert (await swept(simulated), await swept(simulated), await shown(simulated)) == (1, 0, "offline")
    assert await changes(admin) == ["offline"]
    await call(simulated)
    await call(simulated)
    assert await shown(simulated) == "online"
    assert await changes(admin) == ["offline", "online"]
    people = await admin.fetchval("SELECT count(*) FROM people")
    assert len(await told(simulated)) == 2 * people


async def test_how_long_an_agent_may_be_silent_is_a_setting(simulated, admin):
    await admin.execute(
        "INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)"
        " VALUES ($1, 'liveness.offline_seconds', '60', 1, 'r', 'system')",
        simulated.account_id,
    )
    await call(simulated)
    await later(admin, 61)
    assert await swept(simulated) == 1


@given(st.floats(0, 20_000), st.integers(60, 86_400), st.none() | st.integers(5, 3600))
def test_nobody_is_silent_before_the_setting_nor_before_three_of_its_own_intervals(unseen, longest, interval):
    is_silent = rules.is_silent(unseen, longest=longest, interval=interval)
    assert is_silent == (unseen > longest and unseen > 3 * (interval or 0))


async def test_an_agent_that_says_how_often_it_calls_is_missed_by_that(simulated, admin):
    engineer = simulated.as_("engineer")
    assert (await engineer.post("/agent/next", json={"wait": 0, "interval_seconds": 300})).status_code in (200, 204)
    await call(simulated, "writer")
    await later(admin, 900)
    assert await swept(simulated) == 1
    assert (await shown(simulated), await shown(simulated, "writer")) == ("online", "offline")
    await later(admin, 1)
    assert (await swept(simulated), await shown(simulated)) == (1, "offline")
    task, fence = await held(simulated)
    beat = {"task_id": task["id"], "fence": fence, "interval_seconds": 5}
    assert (await engineer.post("/agent/task-heartbeat", json=beat)).status_code == 200
    agents = (await simulated.person.get("/api/v1/agents")).json()["items"]
    assert {one["slug"]: one["interval_seconds"] for one in agents if one["seen_at"]} == {"engineer": 5, "writer": None}
    await later(admin, 91)
    assert await swept(simulated) == 1
    assert await changes(admin) == ["offline", "offline", "online", "offline"]
    for wrong in (4, 3601, "30", 7.5):
        refused = await engineer.post("/agent/next", json={"wait": 0, "interval_seconds": wrong})
        assert refused.status_code == 422, refused.text


async def test_an_agent_behind_a_gateway_is_never_missed_for_not_calling(simulated, admin):
    path = f"/api/v1/agents/{await simulated.agent_id('engineer')}"
    await call(simulated)
    await admin.execute(
        "INSERT INTO executor_profiles (account_id, id, name, adapter, settings)"
        " SELECT id, gen_random_uuid(), 'default', 'scripted', '{}' FROM accounts ON CONFLICT DO NOTHING"
    )
    assert (await simulated.person.patch(path, json={"reach": "gateway"})).status_code == 200
    await call(simulated)
    await later(admin, 900)
    assert (await swept(simulated), await shown(simulated), await changes(admin)) == (0, None, [])


async def test_sweeps_sleep_while_nobody_is_online(simulated, admin):
    assert await admin.fetchval(SWEEPING) is False
    await call(simulated)
    assert await admin.fetchval(SWEEPING) is True
    await later(admin, 91)
    await swept(simulated)
    assert await admin.fetchval(SWEEPING) is False
    await call(simulated)
    assert await admin.fetchval(SWEEPING) is True


async def test_sweeps_that_a_person_disabled_stay_disabled(simulated, admin):
    schedule_id = await admin.fetchval("SELECT id FROM runtime_schedules WHERE name = 'liveness'")
    path = f"/api/v1/admin/runtime/schedules/{schedule_id}"
    assert (await simulated.person.post(f"{path}/disable", json={"reason": "quiet, please"})).status_code == 200
    await call(simulated)
    assert await admin.fetchval(SWEEPING) is False


async def test_who_comes_as_the_sweeps_fall_asleep_wakes_them(simulated, admin):
    for _ in range(5):
        await call(simulated)
        await later(admin, 91)
        await asyncio.gather(swept(simulated), *(call(simulated, slug) for slug in ("writer", "reviewer", "engineer-2")))
        online = await admin.fetchval("SELECT count(*) FROM agent_presence WHERE state = 'online'")
        assert await admin.fetchval(SWEEPING) is (online > 0)


async def test_people_are_not_agents(simulated, admin):
    await simulated.person.get("/api/v1/tasks")
    assert await admin.fetchval("SELECT count(*) FROM agent_presence") == 0


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self):
        return self.now


async def seconds_unseen(admin):
    return round((await admin.fetchval("SELECT callboard_now() - seen_at FROM agent_presence")).total_seconds())


async def test_an_agent_is_written_once_in_half_a_minute_and_what_came_between_is_not_lost(board, admin):
    agent_id = UUID(await board.agent_id("engineer"))
    now, waiting = Clock(), set[tuple[UUID, UUID]]()
    presence = Presence(board.database, waiting=lambda: waiting, monotonic=now)
    who = (board.account_id, agent_id)
    await presence._notice(who)
    await admin.execute("UPDATE agent_presence SET seen_at = seen_at - interval '29 s'")
    now.now += 29
    await presence._notice(who)
    await presence.catch_up()
    assert await seconds_unseen(admin) == 29
    now.now += 6
    await presence.catch_up()
    assert await seconds_unseen(admin) == 6
    await admin.execute("UPDATE agent_presence SET seen_at = seen_at - interval '1 h'")
    now.now += 60
    await presence.catch_up()
    assert await seconds_unseen(admin) > 3600
    waiting.add(who)
    await presence.catch_up()
    assert await seconds_unseen(admin) == 0


async def test_an_agent_that_waits_for_work_is_present(board):
    agent_id = UUID(await board.agent_id("engineer"))
    waiting = board._application.app.state.waiting
    asking = asyncio.create_task(board.as_("engineer").post("/agent/next", json={"wait": 20}))

    async def waits():
        return (board.account_id, agent_id) in waiting.present()

    await make.until(waits)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    async def gone():
        return not waiting.present()

    await make.until(gone)


async def test_a_sign_that_was_known_before_the_silence_brings_nobody_back(simulated, admin):
    agent_id = UUID(await simulated.agent_id("engineer"))
    await call(simulated)
    await later(admin, 200)
    await swept(simulated)
    for seconds_ago, state in ((200, "offline"), (5, "online")):
        async with simulated.database.transaction(simulated.account_id, origin=make.ORIGIN) as tx:
            await liveness.seen(tx, agent_id, seconds_ago=seconds_ago)
        assert await shown(simulated) == state


async def test_a_call_is_answered_though_presence_cannot_be_written(board, admin):
    await admin.execute("ALTER TABLE agent_presence RENAME TO elsewhere")
    await call(board)


async def test_the_worker_sweeps_by_itself(simulated, admin):
    stop = asyncio.Event()
    working = asyncio.create_task(main.run_worker(simulated.settings, stop))
    try:
        await call(simulated)
        moved = await simulated.person.post("/api/v1/admin/clock/advance", json={"seconds": 130})
        assert moved.status_code == 200, moved.text
        assert await changes(admin) == ["offline"]
        assert await admin.fetchval(SWEEPING) is False
    finally:
        stop.set()
        await working
