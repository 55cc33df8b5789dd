import asyncio
import json

from app.runtime import schedules
from app.runtime.scheduling import Scheduler
from app.runtime.schemas.schedules import ScheduleEdit
from app.runtime.types import Misfire
from tests import make

SWITCH = """INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)
VALUES ($1, 'switch.schedules', $2::text::jsonb, 1, 'r', 'system')
ON CONFLICT (account_id, name) DO UPDATE SET value = excluded.value"""
FAIL = """INSERT INTO runtime_command_attempts (account_id, command_id, attempt, worker_id, started_at, completed_at, outcome)
SELECT account_id, id, n, gen_random_uuid(), callboard_now(), callboard_now(), 'failed'
FROM runtime_commands, generate_series(1, $1) n"""
FAILED = "UPDATE runtime_commands SET last_error_class = 'transient', updated_at = callboard_now()"


async def test_a_schedule_fires_at_each_of_its_ticks_and_not_between(world):
    made = await world.schedule(interval_seconds=60)
    for _ in range(7):
        await world.later(30)
    assert await world.ticks() == [60, 120, 180]
    assert await world.events() == ["created", "fired", "fired", "fired"]
    row = await world.row(made.id)
    assert (row["next_at"] - row["last_tick_at"]).total_seconds() == 60


async def test_a_command_of_a_tick_says_where_it_comes_from(world):
    made = await world.schedule(interval_seconds=60)
    await world.later(60)
    row = await world.admin.fetchrow("SELECT * FROM runtime_commands")
    assert (row["trigger_source"], row["schedule_id"], row["actor_id"]) == ("schedule", made.id, world.who.id)
    assert row["idempotency_key"] == f"sched:{made.id}:2031-01-06T08:01:00Z"
    assert (await world.row(made.id))["last_command_id"] == row["id"]


async def test_what_was_missed_runs_once_and_the_log_says_so(world):
    await world.schedule(interval_seconds=60)
    await world.later(190)
    assert await world.ticks() == [180]
    assert await world.events() == ["created", "fired", "coalesced"]


async def test_what_was_missed_is_skipped_where_the_policy_says_so(world):
    await world.schedule(interval_seconds=600, misfire=Misfire.SKIP)
    await world.later(1900)
    assert (await world.ticks(), await world.events()) == ([], ["created", "skipped"])
    await world.later(500)
    assert await world.ticks() == [2400]


async def test_the_newest_missed_ticks_are_caught_up(world):
    await world.schedule(interval_seconds=60, misfire=Misfire.CATCH_UP, catch_up_most=2)
    await world.later(310)
    assert await world.ticks() == [180, 240, 300]
    payload = await world.admin.fetchval("SELECT payload FROM events WHERE type = 'runtime:schedule:skipped'")
    assert json.loads(payload)["missed"] == 2


async def test_jitter_delays_the_start_and_not_the_tick(world):
    await world.schedule(interval_seconds=60, jitter_seconds=30)
    await world.later(60)
    await world.later(31)
    assert await world.ticks() == [60]
    assert await world.later(30) == []
    await world.later(15)
    assert await world.ticks() == [60, 120]


async def test_a_full_queue_stops_its_own_ticks_only(world):
    make.order(type="test.other")
    await world.admin.execute(
        "INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)"
        " VALUES ($1, 'queue.control.most', '1', 1, 'r', 'system')",
        world.account_id,
    )
    await make.enqueued(world.database, world.account_id, make.order())
    await world.admin.execute("UPDATE runtime_commands SET queue = 'control'")
    first = await world.schedule(interval_seconds=60)
    await world.later(60)
    assert len(await world.keys()) == 1
    assert await world.events() == ["created"]
    await world.admin.execute("UPDATE runtime_commands SET state = 'succeeded'")
    await world.later(60)
    assert (await world.row(first.id))["last_tick_at"] is not None


async def test_the_kill_switch_stops_firing_and_later_the_policy_decides(world):
    await world.schedule(interval_seconds=60)
    await world.admin.execute(SWITCH, world.account_id, "true")
    await world.later(185)
    assert (await world.ticks(), await world.events()) == ([], ["created"])
    await world.admin.execute(SWITCH, world.account_id, "false")
    await world.later(0)
    assert await world.ticks() == [180]


async def test_a_dry_run_says_what_it_would_start_and_starts_it_the_next_time(world):
    made = await world.schedule(interval_seconds=60, is_dry_run=True, payload={"a": 1})
    await world.later(60)
    assert (await world.keys(), await world.events()) == ([], ["created", "dry_run"])
    said = json.loads(await world.admin.fetchval("SELECT payload FROM events WHERE type = 'runtime:schedule:dry_run'"))
    assert (said["payload"], said["key"]) == ({"a": 1}, f"sched:{made.id}:2031-01-06T08:01:00Z")
    await world.later(60)
    assert await world.ticks() == [120]


async def test_five_failures_within_ten_minutes_disable_it_with_an_alert_until_it_is_enabled(world):
    made = await world.schedule(interval_seconds=300)
    await world.later(300)
    await world.admin.execute(FAIL, 4)
    await world.admin.execute(FAILED)
    await world.later(1)
    assert (await world.row(made.id))["is_enabled"]
    await world.admin.execute("DELETE FROM runtime_command_attempts")
    await world.admin.execute(FAIL, 5)
    world.scheduler = Scheduler(world.database)
    await world.later(1)
    row = await world.row(made.id)
    assert (row["is_enabled"], row["disabled_reason"]) == (False, "5 attempts of its commands failed within 10 minutes")
    open_ = "SELECT fingerprint FROM runtime_alerts WHERE cleared_at IS NULL"
    assert [one["fingerprint"] for one in await world.admin.fetch(open_)] == [f"schedule:{made.id}"]
    assert await world.events() == ["created", "fired", "disabled"]
    async with world.do() as tx:
        assert (await schedules.enable(tx, world.who, made.id)).is_enabled
    assert await world.admin.fetch(open_) == []
    world.scheduler = Scheduler(world.database)
    await world.later(1)
    assert (await world.row(made.id))["is_enabled"]
    await world.later(297)
    assert await world.ticks() == [300, 600]


async def test_failures_of_long_ago_disable_nothing(world):
    made = await world.schedule(interval_seconds=601)
    await world.later(601)
    await world.admin.execute(FAIL, 5)
    await world.later(601)
    assert (await world.row(made.id))["is_enabled"]


async def test_each_tick_runs_once_however_many_schedulers_there_are(world, urls):
    for number in range(5):
        await world.schedule(name=f"Number {number}", interval_seconds=60)
    crew = [Scheduler(world.database) for _ in range(8)]
    for _ in range(10):
        await world.move(60)
        await asyncio.gather(*(one.turn() for one in crew))
        while await world.scheduler.turn() < 0.2:
            pass
    assert sorted(await world.ticks()) == sorted([60 * (n + 1) for n in range(10)] * 5)
    assert (await world.events()).count("fired") == 50


async def test_a_tick_that_has_its_command_gets_no_other_when_the_clock_was_set_back(world):
    made = await world.schedule(interval_seconds=60)
    await world.later(60)
    await world.admin.execute("UPDATE runtime_schedules SET next_at = last_tick_at, fires_at = last_tick_at")
    await world.later(0)
    assert await world.ticks() == [60]
    await world.later(60)
    assert await world.ticks() == [60, 120]
    assert (await world.row(made.id))["is_enabled"]


async def test_a_type_that_this_process_does_not_know_is_left_to_others(world):
    made = await world.schedule(interval_seconds=60)
    await world.admin.execute("UPDATE runtime_schedules SET command_type = 'newer.thing'")
    await world.later(60)
    assert (await world.keys(), (await world.row(made.id))["is_enabled"]) == ([], True)


async def test_a_change_of_its_times_counts_anew(world):
    made = await world.schedule(interval_seconds=60)
    await world.later(90)
    async with world.do() as tx:
        await schedules.edit(tx, world.who, made.id, ScheduleEdit(cron="0 9 * * *"))
    await world.later(90)
    await world.later(3600 - 180)
    assert await world.ticks() == [60, 3600]


async def test_the_running_scheduler_hears_of_a_new_schedule(world):
    running = asyncio.create_task(world.scheduler.run())
    await asyncio.sleep(0.1)
    await world.schedule(interval_seconds=60)
    await world.move(60)

    async def fired():
        return await world.keys()

    await make.until(fired)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
