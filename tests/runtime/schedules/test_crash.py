import asyncio
import random
import sys
from pathlib import Path

import pytest

from app.runtime.types import Misfire
from tests import make

CRASH_SCHEDULER = Path(__file__).with_name("crash_scheduler.py")
SCHEDULES, STEPS, KILLS = 20, 40, 4
IS_QUIET = "SELECT NOT EXISTS (SELECT FROM runtime_schedules WHERE is_enabled AND fires_at <= callboard_now())"


@pytest.fixture
async def spawn(urls):
    """Starts scheduler processes; what is left of them at the end is killed."""
    processes = []

    async def start():
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(CRASH_SCHEDULER), urls[1], stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_each_tick_runs_once_though_schedulers_are_killed(world, spawn):
    for number in range(SCHEDULES):
        await world.schedule(name=f"Number {number}", interval_seconds=60, misfire=Misfire.CATCH_UP, catch_up_most=100)
    crew = [await spawn() for _ in range(3)]

    async def is_quiet():
        return await world.admin.fetchval(IS_QUIET)

    for step in range(STEPS):
        await world.move(60)
        await world.admin.execute("SELECT pg_notify('callboard_control', '*')")
        if step % (STEPS // KILLS) == STEPS // KILLS // 2:
            await asyncio.sleep(random.uniform(0, 0.05))
            place = random.randrange(len(crew))
            crew[place].kill()
            await crew[place].wait()
            crew[place] = await spawn()
        elif step % 3 == 0:
            await make.until(is_quiet)
    await make.until(is_quiet)
    assert sorted(await world.ticks()) == sorted([60.0 * (step + 1) for step in range(STEPS)] * SCHEDULES)
    assert (await world.events()).count("fired") == STEPS * SCHEDULES
