"""Requests that nobody decides: people are called, and then it is over. Time is simulated."""

from datetime import UTC, datetime

import asyncpg
import pytest

from app.kernel import clock, db
from tests.autonomy import desk
from tests.boards import OWNER
from tests.runtime.clock import worlds
from tests.runtime.clock.worlds import HOUR

START = datetime(2031, 1, 6, 8, 0, tzinfo=UTC)
ALERTS = "SELECT severity, message, cleared_at IS NULL AS is_open FROM runtime_alerts WHERE fingerprint = $1"


@pytest.fixture
async def world(urls):
    connection = await asyncpg.connect(db.plain(urls[0]))
    await clock.choose(connection, clock.SIMULATED, reader=db.AUTH_ROLE, at=START)
    await connection.close()
    async with worlds.opened(urls[1]) as opened:
        for name in ("ada", "bob"):
            await desk.hire(opened.board, name)
        yield opened


async def alert(admin, approval):
    row = await admin.fetchrow(ALERTS, f"approval:{approval['id']}")
    return tuple(row) if row else None


async def test_after_half_its_time_people_are_called_and_after_all_of_it_it_is_over(world, admin):
    approval = await desk.held(world.board, summary="Deploy the site")
    await world.advance(12 * HOUR - 1)
    assert await alert(admin, approval) is None
    await world.advance(1)
    calls = "“Deploy the site” waits for 1 more person; these may decide: ada, bob"
    assert await alert(admin, approval) == ("warning", calls, True)
    kind, payload = await desk.last_told(admin, approval["id"])
    names = {await desk.person_id(world.board, name) for name in ("ada", "bob")}
    assert (kind, set(payload["may_decide"]), payload["voices_missing"]) == ("autonomy:approval:escalated", names, 1)
    found = await desk.detail(world.board, approval)
    assert (found["state"], found["min_role"], bool(found["escalated_at"])) == ("pending", "admin", True)
    await world.advance(12 * HOUR)
    assert await alert(admin, approval) == ("warning", calls, False)
    found = await desk.detail(world.board, approval)
    assert (found["state"], found["reason"]) == ("expired", "nobody decided in time")
    assert await desk.command_of(admin, approval) == ("canceled", None)
    assert await desk.refused(world.board, "ada", "approve", approval) == (409, "invalid_transition", "expired")
    assert await desk.told(admin, approval) == [("requested", 1), ("escalated", 2), ("expired", 3)]


async def test_what_was_decided_neither_calls_nor_expires(world, admin):
    early = await desk.held(world.board)
    late = await desk.held(world.board)
    await desk.said(world.board, "ada", "approve", early)
    await world.advance(13 * HOUR)
    await desk.said(world.board, "ada", "approve", late)
    await world.advance(24 * HOUR)
    assert await desk.told(admin, early) == [("requested", 1), ("approved", 2)]
    assert await desk.told(admin, late) == [("requested", 1), ("escalated", 2), ("approved", 3)]
    assert (await alert(admin, early), (await alert(admin, late))[2]) == (None, False)
    assert [(await desk.command_of(admin, one))[0] for one in (early, late)] == ["succeeded", "succeeded"]


async def test_where_too_few_may_decide_the_call_says_so(world, admin):
    approval = await desk.held(world.board, min_role="owner", escalate_seconds=HOUR, expires_seconds=3 * HOUR)
    await world.advance(HOUR)
    severity, message, _ = await alert(admin, approval)
    assert (severity, "nobody may decide" in message) == ("critical", True)
    answer = await world.board.person.post(f"{desk.APPROVALS}/{approval['id']}/cancel", json={})
    assert answer.status_code == 200
    assert (await alert(admin, approval))[2] is False
    assert await desk.listed(world.board, OWNER, state="pending") == []


async def test_a_vote_after_the_end_is_refused_and_ends_it(world, admin):
    approval = await desk.held(world.board, expires_seconds=HOUR)
    # Before any worker has looked.
    await admin.execute("UPDATE runtime_commands SET run_at = run_at + interval '1 day' WHERE type LIKE 'autonomy.%'")
    await world.advance(HOUR)
    assert await desk.listed(world.board, "ada", mine=True) == []
    assert await desk.refused(world.board, "ada", "approve", approval) == (409, "invalid_transition", "expired")
    assert (await desk.detail(world.board, approval))["state"] == "expired"
    assert await desk.command_of(admin, approval) == ("canceled", None)
