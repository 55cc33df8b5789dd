"""Agents are woken by the clock only for what they can do, and less and less often while nothing changes."""

import asyncio
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from app.delivery import wakeups, waking
from app.kernel.types import ActorKind, Principal
from tests import boards, gateways, make
from tests.boards import Board
from tests.gateways import NO_REPLY, Asked, says
from tests.runtime.clock.conftest import simulate
from tests.runtime.clock.worlds import DAY, HOUR, MINUTE, World

RUNTIME = "/api/v1/admin/runtime"
LOOKS = """SELECT result ->> 'outcome' AS outcome, result ->> 'until' AS until FROM runtime_commands
WHERE type = 'agent.wakeup' AND result ->> 'agent' = 'engineer' ORDER BY created_at"""
WAKEUPS = "SELECT state, reason FROM notifications WHERE type = 'wakeup' ORDER BY id"
WOKEN = "SELECT created_at FROM notifications WHERE type = 'wakeup' ORDER BY id"
WAITS = "wait_event_type = 'Lock' AND datname = current_database()"
# What gateways are asked for by the clock would only cost steps.
NO_PROBES = "UPDATE runtime_schedules SET is_enabled = false WHERE name IN ('gateways', 'liveness')"


def is_wakeup(asked: Asked) -> bool:
    return "# Wake-up by schedule" in str(asked.decoded["input"])


def answering(text: str):
    return lambda asked: says(text) if is_wakeup(asked) else NO_REPLY


async def changed(board: Board, path: str, **fields: Any) -> dict[str, Any]:
    answer = await board.person.patch(path, json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def agent(board: Board, slug: str) -> dict[str, Any]:
    return dict((await board.person.get(f"/api/v1/agents/{await board.agent_id(slug)}")).json())


async def set_to(board: Board, name: str, value: Any) -> None:
    answer = await board.person.put(f"{RUNTIME}/settings/{name}", json={"value": value, "reason": "a drill"})
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def crew(urls, gateway, admin):
    """A crew that a gateway runs, on a clock that stands still, with nobody at work; only the engineer is woken often."""
    await simulate(urls)
    open_board = lambda: boards.opened(urls[1], gateway_url=gateway.url, CALLBOARD_CLOCK="simulated")  # noqa: E731
    async with boards.in_own_task(open_board) as board:
        for slug in ("engineer-2", "writer", "reviewer", "orchestrator"):
            await changed(board, f"/api/v1/agents/{await board.agent_id(slug)}", wake_minutes=480)
        await set_to(board, "followup.most", 0)
        await admin.execute(NO_PROBES)
        yield board


@pytest.fixture
async def world(crew):
    async with gateways.working(crew.settings):
        yield World(crew)


async def slept_for_a_day(world: World, gateway: gateways.Gateway, admin: Any) -> None:
    await world.advance(DAY + HOUR)
    assert gateway.asked == []
    assert await admin.fetch(LOOKS) + await admin.fetch(WAKEUPS) == []
    engineer = await agent(world.board, "engineer")
    assert engineer["wake_outcome"] == "nothing_to_do"
    ticks = await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE type = 'agent.wake_due'")
    assert ticks < 10
    assert 0 < (datetime.fromisoformat(engineer["next_wake_at"]) - await now(world)).total_seconds() < 5 * HOUR


async def test_an_idle_crew_is_never_asked_and_a_stuck_agent_is_asked_less_and_less(world: World, gateway, admin):
    await slept_for_a_day(world, gateway, admin)
    gateway.answering = answering("HEARTBEAT_OK")
    task = await world.board.task(assignee_slugs=["engineer"], description="d" * 500)
    await world.advance(MINUTE)
    engineer = await agent(world.board, "engineer")
    assert 0 < (datetime.fromisoformat(engineer["next_wake_at"]) - await now(world)).total_seconds() < 16 * MINUTE
    await world.advance(DAY)
    asked = [one for one in gateway.asked if is_wakeup(one)]
    assert {one.agent for one in asked} == {"engineer"}
    times = [row["created_at"] for row in await admin.fetch(WOKEN)]
    gaps = [round((later - sooner).total_seconds() / HOUR, 1) for sooner, later in pairwise(times)]
    assert len(times) == len(asked) == 9
    assert gaps == pytest.approx([0.5, 1, 2, 4, 4, 4, 4, 4], abs=0.1)
    assert task["id"] in str(asked[0].decoded["input"])
    assert "d" * 241 not in str(asked[0].decoded["input"])
    assert {tuple(row) for row in await admin.fetch(WAKEUPS)} == {("delivered", "woken")}
    looks = await admin.fetch(LOOKS)
    assert len([one for one in looks if one["outcome"] == "unchanged" and one["until"]]) == len(looks) - 9 > 80
    # Nothing was said in the thread, and a change by a person is shown at the next time.
    assert (await world.board.person.get(f"/api/v1/tasks/{task['id']}/messages")).json()["items"] == []
    await changed(world.board, f"/api/v1/tasks/{task['id']}", description="Do it at last", expected_version=task["version"])
    await world.advance(16 * MINUTE)
    assert len(await admin.fetch(WAKEUPS)) == 10
    # Eight hours without workers come to one wake-up, not to thirty-two.
    before = len(gateway.asked)
    await world.jump(seconds=8 * HOUR)
    await world.advance()
    assert len(gateway.asked) == before + 1
    assert (await agent(world.board, "engineer"))["wake_outcome"] == "woken"


async def now(world: World) -> datetime:
    return datetime.fromisoformat(await world.now())


async def test_words_go_to_the_task_that_they_name_once_and_nowhere_else(world: World, gateway, admin):
    board = world.board
    mine, other = [
        await board.task(title=title, assignee_slugs=[who]) for title, who in (("Mine", "engineer"), ("Other", "writer"))
    ]
    await world.advance()

    async def said(text: str) -> tuple[str, list[str]]:
        gateway.answering = answering(text)
        await changed(board, f"/api/v1/tasks/{mine['id']}", description=f"After {len(gateway.asked)} calls")
        await world.advance(16 * MINUTE)
        outcome = await admin.fetchval("SELECT outcome FROM deliveries ORDER BY settled_at DESC LIMIT 1")
        threads = [(await board.person.get(f"/api/v1/tasks/{one['id']}/messages")).json()["items"] for one in (mine, other)]
        assert threads[1] == []
        return outcome, [one["content"] for one in threads[0]]

    assert await said("Loading context for heartbeat...\n\nHEARTBEAT_OK") == ("no_reply", [])
    assert await said("I looked at everything and will go on.") == ("not_posted", [])
    assert await said(f"Task: {other['id']}\nNot mine.") == ("not_posted", [])
    assert await said(f"All is well.\nTask: {mine['id']}") == ("not_posted", [])
    assert await said(f"Task: {mine['id']}") == ("not_posted", [])
    update = "Done; I will answer HEARTBEAT_OK next time."
    assert await said(f"Task: {mine['id']}\n{update}") == ("replied", [update])

    # Whoever comes again with the same answer finds it said, also where two come at once.
    row = await admin.fetchrow("SELECT id, recipient_id FROM notifications WHERE type = 'wakeup' ORDER BY id DESC LIMIT 1")
    engineer = Principal(kind=ActorKind.AGENT, id=row["recipient_id"], account_id=board.account_id, name="Engineer")

    async def again() -> UUID | None:
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            return await wakeups.place(tx, engineer, row["id"], f"Task: {mine['id']}\n{update}", depth=1)

    assert [str(one) for one in await asyncio.gather(again(), again())] == [mine["id"]] * 2
    assert await admin.fetchval("SELECT count(*) FROM messages") == 1


async def test_one_wake_up_waits_at_a_time_what_is_over_is_skipped_and_a_stopped_crew_sleeps(world: World, gateway, admin):
    board = world.board
    tasks = [await board.task(title=title, assignee_slugs=["engineer"]) for title in ("One", "Two")]
    await world.advance()
    await set_to(board, "switch.deliveries", True)
    await world.advance(16 * MINUTE)
    await changed(board, f"/api/v1/tasks/{tasks[0]['id']}", description="Changed")
    await world.advance(16 * MINUTE)
    assert [tuple(row) for row in await admin.fetch(WAKEUPS)] == [("queued", "woken")]
    assert (await agent(board, "engineer"))["wake_outcome"] == "already_queued"
    for task in tasks:
        body = {"status": "archived", "reason": "not wanted"}
        gone = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json=body)
        assert gone.status_code == 200, gone.text
    await set_to(board, "switch.deliveries", False)
    while (ends := [tuple(row) for row in await admin.fetch(WAKEUPS)]) == [("queued", "woken")]:
        # What waits for the end of a pause is looked for by the real clock.
        await asyncio.sleep(0.05)
        await world.advance()
    assert ends == [("skipped", "nothing_to_do")]

    await board.task(title="Three", assignee_slugs=["engineer"])
    await world.advance()
    await set_to(board, "switch.agents", True)
    await world.advance(32 * MINUTE)
    assert len(await admin.fetch(WAKEUPS)) == 1
    await set_to(board, "switch.agents", False)
    await world.advance(2 * MINUTE)
    assert [tuple(row) for row in await admin.fetch(WAKEUPS)][1:] == [("delivered", "woken")]
    assert len([one for one in gateway.asked if is_wakeup(one)]) == 1


async def test_of_two_looks_at_once_one_wakes_the_agent(crew: Board, admin):
    await crew.task(assignee_slugs=["engineer"])
    await admin.execute("UPDATE notifications SET state = 'delivered'")
    engineer = UUID(await crew.agent_id("engineer"))

    async def look(looked: asyncio.Event, leave: asyncio.Event) -> str:
        async with crew.database.transaction(crew.account_id, origin=make.ORIGIN) as tx:
            outcome = (await waking.look_at(tx, engineer))["outcome"]
            looked.set()
            await leave.wait()
        return str(outcome)

    first, leave = asyncio.Event(), asyncio.Event()
    looks = [asyncio.create_task(look(first, leave))]
    await first.wait()
    looks.append(asyncio.create_task(look(asyncio.Event(), leave)))
    await make.until(gateways.finds(admin, WAITS, table="pg_stat_activity"))
    leave.set()
    assert await asyncio.gather(*looks) == ["woken", "already_queued"]
    assert [tuple(row) for row in await admin.fetch(WAKEUPS)] == [("queued", "woken")]


async def test_the_ticks_sleep_while_the_clock_wakes_nobody(crew: Board, admin):
    async with gateways.working(crew.settings):
        world = World(crew)
        for one in (await crew.person.get("/api/v1/agents")).json()["items"]:
            assert one["next_wake_at"] is not None
            assert (await changed(crew, f"/api/v1/agents/{one['id']}", wake_minutes=0))["next_wake_at"] is None
        await world.advance(2 * MINUTE)
        asleep = await admin.fetchrow("SELECT is_enabled, disabled_reason FROM runtime_schedules WHERE name = 'wakeups'")
        assert tuple(asleep) == (False, "no agent is woken by the clock")
        assert (await world.advance(DAY))["steps"] < 30
        engineer = await crew.agent_id("engineer")
        await crew.task(assignee_slugs=["engineer"])
        await changed(crew, f"/api/v1/agents/{engineer}", wake_minutes=1)
        await world.advance(2 * MINUTE)
        assert len(await admin.fetch(WAKEUPS)) == 1
        assert (await changed(crew, f"/api/v1/agents/{engineer}", retired=True))["next_wake_at"] is None
        await world.advance(10 * MINUTE)
        assert len(await admin.fetch(WAKEUPS)) == 1
        for minutes in (-1, 1441, 1.5, None):
            refused = await crew.person.patch(f"/api/v1/agents/{engineer}", json={"wake_minutes": minutes})
            assert refused.status_code == 422, refused.text
