"""What one process sets, the others know: told at once, and by looking when nobody told them."""

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

from app.kernel.db import LOST, Database
from app.kernel.errors import Unavailable
from app.kernel.settings import ROOT
from app.kernel.types import ActorKind, Principal, Role
from app.runtime import settings, tuning
from app.runtime.controls import POLL_SECONDS, Controls, steered
from app.runtime.rules.profiles import PROFILES
from app.runtime.rules.settings import SETTINGS, STALE_SECONDS
from app.runtime.schemas.settings import SettingChange
from app.runtime.schemas.tuning import ProfileChanges, ProfileTuning
from tests import make

STORE = """
INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind) VALUES ($1, $2, $3, 1, '', 'system')
"""
BREAK = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
WATCHER = """
import asyncio, sys, uuid
from app.runtime.controls import steered
from tests import make
async def main(url, account):
    async with make.opened(url, subscribers={}) as database, steered(database) as controls:
        print("ready", flush=True)
        while not controls.flag(uuid.UUID(account), "switch.agents"):
            await asyncio.sleep(0.01)
        print("engaged", flush=True)
asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def process(url):
    async with make.opened(url, subscribers={}) as database:
        await make.until(lambda: listening(database))
        async with steered(database) as controls:
            yield database, controls


async def listening(database: Database):
    return database.wakes.is_connected


def somebody(account):
    return Principal(kind=ActorKind.PERSON, id=uuid4(), account_id=account, name="Ada", role=Role.OWNER)


async def set_(database, account, name, value):
    async with database.transaction(account, origin=make.ORIGIN) as tx:
        await settings.change(tx, somebody(account), name, SettingChange(value=value, reason="drill"))


async def eventually(controls, account, name, value):
    async def is_so():
        return controls.flag(account, name) is value

    await make.until(is_so, seconds=POLL_SECONDS * 3)


async def test_a_switch_that_one_process_sets_is_in_effect_in_the_others_without_looking(urls, account, monkeypatch):
    monkeypatch.setattr("app.runtime.controls.POLL_SECONDS", 3_600.0)
    async with AsyncExitStack() as stack:
        first, _ = await stack.enter_async_context(process(urls[1]))
        others = [(await stack.enter_async_context(process(urls[1])))[1] for _ in range(3)]
        for value in (True, False):
            await set_(first, account, "switch.agents", value)
            for controls in others:
                await eventually(controls, account, "switch.agents", value)


async def test_a_switch_is_in_effect_within_a_second_or_so_when_nobody_is_told(urls, account, admin):
    async with process(urls[1]) as (_, controls):
        await admin.execute(STORE, account, "switch.agents", "true")
        await eventually(controls, account, "switch.agents", True)
        await admin.execute("DELETE FROM runtime_settings")
        await eventually(controls, account, "switch.agents", False)


async def test_a_switch_reaches_another_process_of_the_system(urls, account, database):
    command = (sys.executable, "-c", WATCHER, urls[1], str(account))
    watcher = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert watcher.stdout is not None
    try:
        assert await watcher.stdout.readline() == b"ready\n"
        await set_(database, account, "switch.agents", True)
        assert await asyncio.wait_for(watcher.stdout.readline(), 5) == b"engaged\n"
    finally:
        if watcher.returncode is None:
            watcher.kill()
        await watcher.wait()


class Blind:
    """A pool whose database does not answer."""

    async def fetch(self, _sql):
        raise ConnectionError


@pytest.fixture
async def stopped(database, account):
    """Controls that were read once and then cut off, and the clock that they go by."""
    now = [0.0]
    controls = Controls(database.runtime, wakes=database.wakes, monotonic=lambda: now[0])
    await set_(database, account, "breaker.failures", 9)
    await controls.refresh()
    controls._pool = Blind()
    return controls, now


async def test_who_cannot_read_for_long_counts_every_switch_as_engaged_and_every_feature_as_off(stopped, account):
    controls, now = stopped
    blind = {name: setting.blind for name, setting in SETTINGS.items() if setting.blind is not None}
    assert {name: controls.flag(account, name) for name in blind} == {name: SETTINGS[name].default for name in blind}
    now[0] = STALE_SECONDS
    assert not await controls.is_refreshed()
    assert not controls.flag(account, "switch.agents")
    now[0] = STALE_SECONDS + 0.1
    assert {name: controls.flag(account, name) for name in blind} == blind
    assert controls.limit(account, "breaker.failures") == 9


async def test_before_anything_was_read_every_switch_is_engaged(database, account):
    controls = Controls(Blind(), wakes=database.wakes)
    assert controls.flag(account, "switch.agents")
    assert not controls.flag(account, "feature.mcp")


async def test_a_process_that_can_read_again_works_again(urls, account, admin):
    async with process(urls[1]) as (database, controls):
        pool, controls._pool = controls._pool, Blind()
        controls._read_at = float("-inf")
        assert controls.flag(account, "switch.agents")
        controls._pool = pool
        await eventually(controls, account, "switch.agents", False)
        await admin.execute(BREAK)
        await set_again(database, account)
        await eventually(controls, account, "switch.agents", True)


async def set_again(database, account):
    async def is_set():
        try:
            await set_(database, account, "switch.agents", True)
        except (*LOST, Unavailable):
            return False
        return True

    await make.until(is_set)


async def test_a_switch_whose_stored_value_is_no_truth_is_engaged(database, account, admin):
    controls = Controls(database.runtime, wakes=database.wakes)
    for stored in ('"yes"', "1", "[]", "{}"):
        await admin.execute("DELETE FROM runtime_settings")
        await admin.execute(STORE, account, "switch.agents", stored)
        await admin.execute(STORE, account, "feature.mcp", stored)
        await admin.execute(STORE, account, "breaker.failures", '"many"')
        await admin.execute(STORE, account, "nobody.knows", "1")
        await controls.refresh()
        assert controls.flag(account, "switch.agents")
        assert not controls.flag(account, "feature.mcp")
        assert controls.limit(account, "breaker.failures") == 5
        assert not controls.flag(uuid4(), "switch.agents")


async def test_a_tuned_profile_is_in_force_everywhere_for_its_account_alone(urls, account):
    async with process(urls[1]) as (first, _), process(urls[1]) as (_, controls):
        asked = ProfileTuning(changes=ProfileChanges(attempts=9), reason="drill", expected_version=0)
        async with first.transaction(account, origin=make.ORIGIN) as tx:
            await tuning.tune(tx, somebody(account), "standard_async", asked)

        async def is_tuned():
            return controls.profile(account, "standard_async").attempts == 9

        await make.until(is_tuned)
        assert controls.profile(uuid4(), "standard_async") == PROFILES["standard_async"]
        assert controls.profile(account, "delivery") == PROFILES["delivery"]
        assert controls.profile(account, "unheard_of") == PROFILES["standard_async"]


async def test_asking_a_process_that_started_no_controls_is_a_defect(database, account):
    with pytest.raises(RuntimeError, match="not started"):
        database.controls.flag(account, "switch.agents")
    with pytest.raises(RuntimeError, match="not started"):
        database.controls.limit(account, "breaker.failures")
