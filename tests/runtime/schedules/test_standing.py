"""The schedules that the board keeps for itself in each account."""

from datetime import UTC

from app.kernel import migrate
from app.runtime import standing
from app.runtime.rules.schedules import Timing
from app.runtime.standing import Standing
from tests import make

STANDING = "SELECT name, is_enabled, is_system, disabled_reason, next_at, fires_at, version FROM runtime_schedules ORDER BY name"
PARTS = "SELECT name, command_type, cron, interval_seconds, timezone, misfire, jitter_seconds, disabled_reason, is_system"
NAP = Standing(name="nap", command_type="test.noop", times=Timing(interval_seconds=30), asleep="nothing to do")


async def test_accounts_that_were_there_before_get_the_same_schedules_as_new_ones(urls, admin, board):
    from tests.conftest import SERVICE_USER

    parts = f"{PARTS} FROM runtime_schedules WHERE account_id = $1 ORDER BY name"
    new = [tuple(row) for row in await admin.fetch(parts, board.account_id)]
    await admin.execute("UPDATE notifications SET command_id = gen_random_uuid()")
    await migrate.downgrade(urls[0], "-1")
    await migrate.upgrade(urls[0], SERVICE_USER)
    assert [tuple(row) for row in await admin.fetch(parts, board.account_id)] == new
    named = {row["name"]: row for row in await admin.fetch(STANDING)}
    liveness, retention = named["liveness"], named["retention"]
    assert (retention["is_enabled"], liveness["is_enabled"], liveness["disabled_reason"]) == (True, False, "no agent is online")
    assert retention["next_at"].astimezone(UTC).strftime("%H:%M:%S") == "03:00:00"
    assert 0 <= (retention["fires_at"] - retention["next_at"]).total_seconds() < 3600


async def test_a_schedule_sleeps_and_is_roused_without_becoming_another_version(world):
    make.order()
    async with world.do() as tx:
        standing.add(tx, NAP, now=await tx.value("SELECT callboard_now()"))
    assert await world.later(100) == []
    async with world.do() as tx:
        assert await standing.rouse(tx, NAP)
        assert not await standing.lull(tx, NAP, unless="SELECT $1::uuid IS NOT NULL")
    await world.later(30)
    assert await world.ticks() == [120]
    async with world.do() as tx:
        assert not await standing.rouse(tx, NAP)
        assert await standing.lull(tx, NAP, unless="SELECT $1::uuid IS NULL")
    assert await world.later(100) == []
    assert [row["version"] for row in await world.admin.fetch(STANDING)] == [1]
