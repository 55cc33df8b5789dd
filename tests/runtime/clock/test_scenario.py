"""A fortnight in seconds, and its first days once more in another database: the same events in the same order."""

import asyncio
import difflib
import time
from collections import Counter

import asyncpg

from app.kernel import db
from tests.runtime.clock import scenario, worlds
from tests.runtime.clock.scenario import Play

# All acts are over by then; afterwards the schedules alone go on.
AGAIN_DAYS, ALL_DAYS = 5, 14
WANTED = (
    "board:task:status_changed",
    "board:agent:online",
    "board:agent:offline",
    "runtime:command:retry_scheduled",
    "runtime:command:failed",
    "runtime:command:dead_lettered",
    "runtime:command:replay_requested",
    "runtime:schedule:coalesced",
    "runtime:schedule:skipped",
    "autonomy:approval:expired",
    "autonomy:approval:approved",
    "memory:item:created",
    "memory:item:expired",
)


async def played(urls, *, days: int) -> tuple[list[str], int, float]:
    """What happened, how many steps the clock took, and how long that was in real time."""
    admin = await asyncpg.connect(db.plain(urls[0]))
    try:
        async with worlds.opened(urls[1]) as world:
            play, began = Play(world), time.monotonic()
            await play.run(days=days)
            return await scenario.events(admin, world.board.account_id), play.steps, time.monotonic() - began
    finally:
        await admin.close()


async def test_the_same_days_go_the_same_way_twice_and_a_fortnight_takes_seconds(make_simulated):
    databases = [await make_simulated() for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        plays = [group.create_task(played(urls, days=days)) for urls, days in zip(databases, (AGAIN_DAYS, ALL_DAYS), strict=True)]
    (again, *_), (everything, steps, seconds) = [play.result() for play in plays]
    print(f"\n{steps} steps of the clock and {len(everything)} events in {seconds:.1f} s, beside another play")
    difference = "\n".join(difflib.unified_diff(everything[: len(again)], again, lineterm="", n=6))
    assert again == everything[: len(again)], difference[:5_000]
    seen = Counter(everything)
    assert [kind for kind in WANTED if not seen[kind]] == []
    # Two each hour, but for those that the sleep took away.
    assert seen["runtime:schedule:fired"] > ALL_DAYS * 45
