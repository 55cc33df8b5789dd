"""Whether gateways are there: a sign renews the lease of one, silence is told once, and so is its return."""

import asyncio
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.types import Adapter
from app.delivery import presence
from app.delivery.presence import SIGNS, Signs
from app.delivery.probing import trouble_of
from app.delivery.resources import Resources
from app.delivery.types.runs import Profile
from app.kernel import clock, db
from tests import boards, gateways, make
from tests.gateways import says
from tests.runtime.clock.worlds import World, working

START = datetime(2031, 1, 6, 8, 0, tzinfo=UTC)
CHANGES = "SELECT type FROM events WHERE type LIKE 'delivery:gateway:%' ORDER BY seq"
PROBING = "SELECT is_enabled FROM runtime_schedules WHERE name = 'gateways'"
TICKS = "SELECT count(*) FROM runtime_commands WHERE type = 'gateway.probe'"
PYTHON = Path(sys.executable).resolve()
LET_GO = "UPDATE gateway_presence SET until = callboard_now() - interval '1 s'"


@pytest.fixture
async def world(urls, admin, gateway):
    await clock.choose(admin, clock.SIMULATED, reader=db.AUTH_ROLE, at=START)
    opened = boards.opened(urls[1], gateway_url=gateway.url, CALLBOARD_CLOCK="simulated")
    async with boards.in_own_task(lambda: opened) as board, working(board):
        yield World(board)


async def changes(admin):
    return [row["type"].rpartition(":")[2] for row in await admin.fetch(CHANGES)]


async def shown(board):
    answer = await board.person.get("/api/v1/gateways")
    assert answer.status_code == 200, answer.text
    [gateway] = answer.json()["items"]
    return gateway


async def crew(board):
    return {agent["presence"] for agent in (await board.person.get("/api/v1/agents")).json()["items"]}


async def health(board, token=None):
    return (await board.client(token).get("/health")).json()["components"]["gateways"]


async def told(board):
    notices = (await board.person.get("/api/v1/notifications?limit=200")).json()["items"]
    return sorted({one["title"] for one in notices if one["type"] == "presence"})


async def test_a_gateway_that_dies_is_told_of_once_and_so_is_its_return(world, gateway, admin):
    board = world.board
    assert ((await shown(board))["state"], await crew(board)) == (None, {None})
    await world.advance(30)
    alive = await shown(board)
    assert (alive["state"], alive["origin"], alive["error"], await crew(board)) == ("online", gateway.url, None, {"online"})
    assert gateway.probed == 1
    await gateway.shut()
    task = await board.task(assignee_slugs=["engineer"])
    await world.advance(30 * SIGNS - 1)
    assert ((await shown(board))["state"], await changes(admin)) == ("online", [])
    await world.advance(1)
    dead = await shown(board)
    assert (dead["state"], dead["queued_deliveries"] > 0, bool(dead["error"])) == ("offline", True, True)
    assert await crew(board) == {"offline"}
    await world.advance(120)
    assert (await changes(admin), await told(board)) == (["offline"], ["The gateway default has fallen silent"])
    stranger, member = await health(board), await health(board, board.tokens[boards.OWNER])
    assert (stranger["status"], "default" in stranger["detail"]) == ("degraded", False)
    assert "default since 2031-01-06 08:02:00 UTC" in member["detail"]
    why = (await board.person.get(f"/api/v1/tasks/{task['id']}/why")).json()
    assert (why["waits_for"], why["details"]["since"]) == ("gateway_offline", "2031-01-06T08:02:00Z")
    assert [one["waits_for"] for one in why["also"]] == ["assignee_to_start"]
    await gateway.open()
    await world.advance(30)
    assert (await changes(admin), (await shown(board))["error"]) == (["offline", "online"], None)
    assert await told(board) == ["The gateway default has fallen silent", "The gateway default is back"]
    assert (await health(board))["status"] == "ok"
    people = await admin.fetchval("SELECT count(*) FROM people")
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE type = 'presence'") == 2 * people


async def test_nobody_looks_while_no_agent_is_reached_through_a_gateway(world, admin):
    board = world.board
    await world.advance(30)
    assert (await admin.fetchval(PROBING), (await shown(board))["state"]) == (True, "online")
    await admin.execute("UPDATE agents SET reach = 'pull', profile_id = NULL")
    await world.advance(30)
    assert (await admin.fetchval(PROBING), await admin.fetchval("SELECT count(*) FROM gateway_presence")) == (False, 0)
    path = f"/api/v1/agents/{await board.agent_id('engineer')}"
    assert (await board.person.patch(path, json={"reach": "gateway"})).status_code == 200
    assert await admin.fetchval(PROBING) is True


async def test_many_who_notice_at_once_tell_of_it_once(board, admin):
    async def all_at_once(notice):
        async def one():
            async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
                await notice(tx)

        await asyncio.gather(*(one() for _ in range(6)))

    await all_at_once(lambda tx: presence.missed(tx, "default", "ConnectError", interval=30))
    assert (await changes(admin), (await shown(board))["state"]) == ([], None)
    await admin.execute(LET_GO)
    await all_at_once(lambda tx: presence.missed(tx, "default", "ConnectError", interval=30))
    assert await changes(admin) == ["offline"]
    await all_at_once(lambda tx: presence.heard(tx, "default", interval=30))
    assert await changes(admin) == ["offline", "online"]
    await all_at_once(lambda tx: presence.heard(tx, "nobody's", interval=30))
    assert await admin.fetchval("SELECT count(*) FROM gateway_presence") == 1


async def test_nobody_looks_before_a_gateway_may_be_silent(world, gateway, admin):
    async def interval(seconds):
        path = "/api/v1/admin/runtime/settings/gateway.interval_seconds"
        answer = await world.board.person.put(path, json={"value": seconds, "reason": "a drill"})
        assert answer.status_code == 200, answer.text
        await world.advance(300)
        return await admin.fetchval(TICKS), gateway.probed

    await world.advance(30)
    before = await interval(3_600)
    await world.advance(3_600)
    # One in five minutes notices that the setting changed.
    assert (await admin.fetchval(TICKS) - before[0] < 15, gateway.probed - before[1]) == (True, 1)
    before = await interval(30)
    await world.advance(300)
    assert (await admin.fetchval(TICKS) - before[0], gateway.probed - before[1]) == (10, 10)


async def test_an_answer_is_a_sign_of_life(board, gateway, worker, admin):
    gateway.answering = lambda _: says("Here.")
    await board.task(assignee_slugs=["engineer"])
    await gateways.settled(admin)
    assert ((await shown(board))["state"], gateway.probed) == ("online", 0)


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 60))
def test_a_sign_is_written_once_in_an_interval(pauses, interval):
    now, written = 0.0, []
    signs = Signs(monotonic=lambda: now)
    account = uuid4()
    for pause in pauses:
        now += pause
        if signs.is_due(account, "default", interval=interval):
            written.append(now)
    assert all(later - earlier >= interval for earlier, later in pairwise(written))
    assert len(written) >= (1 if pauses else 0)


@pytest.mark.parametrize(
    ("profile", "is_there"),
    [
        (Profile(name="here", adapter=Adapter.PROCESS, settings={"command": "python"}), True),
        (Profile(name="gone", adapter=Adapter.PROCESS, settings={"command": "gone"}), False),
        (Profile(name="unlisted", adapter=Adapter.PROCESS, settings={"command": "rm"}), False),
        (Profile(name="play", adapter=Adapter.SCRIPTED), True),
        (Profile(name="refuses", adapter=Adapter.RESPONSES, url="http://127.0.0.1:9/v1"), False),
        (Profile(name="nowhere", adapter=Adapter.RESPONSES), False),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
async def test_what_can_be_called_is_there(profile, is_there):
    listed = f"python={PYTHON}; gone=/no/such/program"
    settings = boards.settings_for("postgresql://nowhere/x", CALLBOARD_EXECUTOR_COMMANDS=listed)
    async with httpx.AsyncClient() as http:
        trouble = await trouble_of(profile, Resources(http, settings), asyncio.Semaphore())
    assert (trouble is None) == is_there, trouble
