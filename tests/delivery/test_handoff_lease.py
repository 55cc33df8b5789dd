"""While an agent's gateway is waited for, the delivery keeps the lease of that agent, and of no other."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.renewing import SHARE, first_after
from tests import make
from tests.gateways import NO_REPLY, finds, says

SHORT = """UPDATE accounts SET settings = settings || '{"lease_seconds": 1}'"""
HELD = "SELECT lease_fence, lease_until, status FROM tasks WHERE lease_agent_id IS NOT NULL"


async def asked(gateway, agent):
    await make.until(lambda: asyncio.sleep(0, gateway.of(agent)))


async def test_a_running_delivery_keeps_the_lease_and_its_end_lets_it_go(board, gateway, worker, admin):
    await admin.execute(SHORT)
    answer = asyncio.Event()
    gateway.answering = lambda one: says("Done for now.", once=answer) if one.agent == "engineer" else NO_REPLY
    task = await board.task(assignee_slugs=["engineer"])
    await asked(gateway, "engineer")
    fence = await board.claim("engineer", task["id"])
    claimed = (await admin.fetchrow(HELD))["lease_until"]
    await make.until(finds(admin, "lease_until > $1", claimed + timedelta(seconds=2), table="tasks"))
    held = await admin.fetchrow(HELD)
    assert (held["lease_fence"], held["status"]) == (fence, "in_progress")
    answer.set()
    await make.until(finds(admin, "status = 'assigned' AND lease_agent_id IS NULL", table="tasks"))
    assert await admin.fetchval("SELECT kind FROM task_handoffs") == "expiry"
    assert await admin.fetchval("SELECT count(*) FROM events WHERE payload ->> 'rule' = 'lease_expired'") == 1


async def test_the_lease_of_another_agent_is_not_kept(board, gateway, worker, admin):
    await admin.execute(SHORT)
    answer = asyncio.Event()
    gateway.answering = lambda one: says("Still here.", once=answer) if one.agent == "engineer" else NO_REPLY
    task = await board.task(assignee_slugs=["engineer", "writer"])
    await asked(gateway, "engineer")
    await board.claim("writer", task["id"])
    await make.until(finds(admin, "status = 'assigned' AND lease_agent_id IS NULL", table="tasks"))
    # Whoever the delivery is for may still claim while it runs, and is kept from then on.
    await board.claim("engineer", task["id"])
    claimed = (await admin.fetchrow(HELD))["lease_until"]
    await make.until(finds(admin, "lease_until > $1", claimed + timedelta(seconds=1), table="tasks"))
    answer.set()


@given(st.floats(0.1, 90_000), st.none() | st.floats(-10, 90_000))
def test_the_first_renewal_comes_while_enough_of_the_lease_is_left(lease_seconds, left):
    pause = first_after(lease_seconds=lease_seconds, left=left)
    assert 0 <= pause <= lease_seconds / SHARE
    if left is not None and left > 0:
        assert pause < left


@pytest.mark.parametrize(("left", "pause"), [(None, 300), (900, 300), (400, 100), (100, 0), (-5, 0)])
def test_a_lease_with_little_left_is_renewed_at_once(left, pause):
    assert first_after(lease_seconds=900, left=left) == pause
