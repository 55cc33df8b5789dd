"""The clock over HTTP: what it shows, how it moves, and what keeps it still."""

import asyncio
from datetime import datetime, timedelta

import pytest

from app.kernel import db
from app.kernel.errors import Overloaded
from app.runtime.clock import SimulatedClock
from app.runtime.schemas.clock import ClockMove
from tests import boards, make
from tests.runtime.clock import worlds
from tests.runtime.clock.conftest import START
from tests.runtime.clock.worlds import CLOCK, DAY, World

IDLE_IN_TRANSACTION = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = $1"
NO_SCHEDULES = "UPDATE runtime_schedules SET is_enabled = false"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
async def lonely(simulated):
    """A board on a simulated clock without any worker, whose clock gives up soon."""
    async with boards.in_own_task(lambda: boards.opened(simulated[1], CALLBOARD_CLOCK="simulated")) as board:
        clock = SimulatedClock(lambda: db.direct(simulated[1], role=db.RUNTIME_ROLE), longest_call=0.4)
        yield board, clock


async def test_a_simulated_clock_stands_still_and_moves_as_far_as_it_is_told(world: World):
    shown = (await world.board.person.get(CLOCK)).json()
    assert (shown["mode"], at(shown["now"])) == ("simulated", START)
    moved = await world.advance(DAY)
    assert (at(moved["was"]), at(moved["now"]), moved["is_complete"]) == (START, START + timedelta(days=1), True)
    assert at(await world.now()) == START + timedelta(days=1)
    to = START + timedelta(days=2)
    again = [(await world.board.person.post(f"{CLOCK}/advance", json={"to": to.isoformat()})).json() for _ in range(2)]
    assert [at(one["now"]) for one in again] == [to, to]


async def test_a_system_clock_is_shown_and_cannot_be_moved(board):
    shown = (await board.person.get(CLOCK)).json()
    assert shown["mode"] == "system"
    for verb in ("advance", "jump"):
        refused = await board.person.post(f"{CLOCK}/{verb}", json={"seconds": 1})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    described = (await board.person.get("/schema/openapi.json")).text
    assert f'"{CLOCK}"' in described
    assert f"{CLOCK}/" not in described
    assert "ClockMove" not in described


async def test_a_simulated_board_describes_how_its_clock_is_moved(world: World):
    described = (await world.board.person.get("/schema/openapi.json")).json()
    assert {f"{CLOCK}/advance", f"{CLOCK}/jump"} <= described["paths"].keys()
    assert "ClockMove" in described["components"]["schemas"]


@pytest.mark.parametrize(
    "body", [{}, {"seconds": 1, "to": "2032-01-01T00:00:00Z"}, {"seconds": -1}, {"seconds": 1e12}, {"to": "2032-01-01T00:00:00"}]
)
async def test_a_move_that_makes_no_sense_is_refused(world: World, body):
    for verb in ("advance", "jump"):
        refused = await world.board.person.post(f"{CLOCK}/{verb}", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "validation_failed")


async def test_the_clock_never_goes_back(world: World):
    await world.jump(seconds=DAY)
    for verb in ("advance", "jump"):
        refused = await world.board.person.post(f"{CLOCK}/{verb}", json={"to": START.isoformat()})
        assert (refused.status_code, refused.json()["error"]["details"]["fields"][0]["field"]) == (422, "to")
    assert at(await world.now()) == START + timedelta(days=1)


async def test_only_admins_see_and_move_the_clock(world: World):
    for who in ("engineer", "nobody"):
        client = world.board.as_(who) if who in world.board.tokens else world.board.client(None)
        answers = [await client.get(CLOCK), await client.post(f"{CLOCK}/advance", json={"seconds": 1})]
        assert [answer.status_code for answer in answers] == ([403, 403] if who in world.board.tokens else [401, 401])
    assert at(await world.now()) == START


async def test_calls_that_move_the_clock_take_turns(world: World):
    moves = await asyncio.gather(*(world.advance(DAY) for _ in range(5)))
    assert sorted((at(move["was"]) - START).days for move in moves) == [0, 1, 2, 3, 4]
    assert at(await world.now()) == START + timedelta(days=5)


async def test_a_call_for_which_it_never_becomes_quiet_says_how_far_it_came(lonely):
    board, clock = lonely
    await make.enqueued(board.database, board.account_id, make.order(delay_seconds=60))
    moved = await clock.advance(ClockMove(seconds=DAY))
    assert (moved.now, moved.target, moved.is_complete) == (START + timedelta(minutes=1), START + timedelta(days=1), False)
    assert "as if no worker ran" in moved.detail


async def test_a_call_that_waits_holds_no_pooled_connection_and_no_transaction(lonely, admin):
    board, clock = lonely
    await make.enqueued(board.database, board.account_id, make.order())
    waiting = asyncio.create_task(clock.advance(ClockMove(seconds=0)))
    seen = set()
    while not waiting.done():
        seen.add(await admin.fetchval(IDLE_IN_TRANSACTION, await admin.fetchval("SELECT current_database()")))
        seen.add(board.database.runtime.get_size() - board.database.runtime.get_idle_size())
        await asyncio.sleep(0.02)
    assert seen == {0}


async def test_a_second_call_is_put_off_while_another_moves_the_clock(lonely):
    board, clock = lonely
    await make.enqueued(board.database, board.account_id, make.order())
    slow = SimulatedClock(clock._connect, longest_call=1.5)
    first = asyncio.create_task(slow.advance(ClockMove(seconds=1)))
    await asyncio.sleep(0.2)
    with pytest.raises(Overloaded):
        await clock.advance(ClockMove(seconds=1))
    await first


async def test_a_jump_does_not_wait_for_what_became_due(lonely):
    board, clock = lonely
    await make.enqueued(board.database, board.account_id, make.order(delay_seconds=60))
    moved = await clock.jump(ClockMove(seconds=DAY))
    assert (moved.now, moved.next_due, moved.is_complete) == (START + timedelta(days=1), START + timedelta(minutes=1), True)


async def test_what_is_due_next_is_shown_to_its_own_account_alone(world: World, admin):
    await admin.execute(NO_SCHEDULES)
    other = await make.account(admin)
    await make.enqueued(world.board.database, other, make.order(delay_seconds=60))
    assert (await world.board.person.get(CLOCK)).json()["next_due"] is None
    await make.enqueued(world.board.database, world.board.account_id, make.order(delay_seconds=90))
    assert at((await world.board.person.get(CLOCK)).json()["next_due"]) == START + timedelta(seconds=90)


async def test_work_begins_at_its_instant_and_not_between(world: World, admin):
    await admin.execute(NO_SCHEDULES)
    delays = [0, 30, 30, 3_600, 12 * 3_600, DAY - 1]
    orders = [make.order(type="runtime.probe", delay_seconds=delay) for delay in delays]
    await make.enqueued(world.board.database, world.board.account_id, *orders)
    moved = await world.advance(DAY)
    started = await admin.fetch("SELECT started_at, completed_at FROM runtime_command_attempts ORDER BY started_at")
    assert [(row["started_at"] - START).total_seconds() for row in started] == delays
    assert [row["completed_at"] for row in started] == [row["started_at"] for row in started]
    assert moved["steps"] == 5


async def test_two_clocks_of_two_processes_take_turns_too(simulated):
    async with worlds.opened(simulated[1]) as world:
        clocks = [SimulatedClock(lambda: db.direct(simulated[1], role=db.RUNTIME_ROLE)) for _ in range(3)]
        await asyncio.gather(*(clock.advance(ClockMove(seconds=60)) for clock in clocks))
        assert at(await world.now()) == START + timedelta(minutes=3)
