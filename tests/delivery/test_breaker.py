"""Deliveries behind a breaker: a gateway that keeps failing is left alone, and nothing is lost by that."""

import pytest

from tests import gateways, make
from tests.gateways import finds, hurry, refuses, says, settled, thread

OPENED = "SELECT count(*) FROM events WHERE type = 'runtime:breaker:opened'"
SENDS = "SELECT * FROM runtime_commands WHERE type = 'delivery.send'"
WAITS_AS_LONG = """
SELECT c.run_at >= b.retry_at - interval '1 s' FROM runtime_commands c, runtime_breakers b WHERE c.type = 'delivery.send'
"""
HASTE = """UPDATE runtime_commands SET run_at = now() WHERE state = 'retry_scheduled';
    UPDATE runtime_lanes SET ready_at = now() WHERE state = 'ready'"""


@pytest.fixture
async def gateway():
    async with gateways.opened(lambda _: refuses(503)) as opened:
        yield opened


async def test_while_it_is_open_nothing_leaves_and_then_all_is_delivered_in_order(board, gateway, worker, admin):
    tasks = [await board.task(title=f"Task {number}") for number in range(2)]
    for number in range(3):
        for task in tasks:
            await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": f"Number {number}."})

    async def is_open():
        await admin.execute(HASTE)
        return await admin.fetchval(OPENED)

    await make.until(is_open)
    sent = len(gateway.asked)
    assert sent >= 5
    await make.until(lambda: has_waited_often(admin))
    assert len(gateway.asked) == sent
    waiting = await admin.fetchrow(f"{SENDS} AND last_error_message LIKE '%left alone%'")
    assert waiting["last_error_class"] == "dependency_unavailable"
    assert waiting["attempt"] - waiting["waited"] <= 1
    gateway.answering = lambda _: says("Now I can.")
    await settled(admin)
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0
    assert await finds(admin, "state <> 'delivered' AND recipient_kind = 'agent'")() is False
    for task in tasks:
        said = [message["content"] for message in await thread(board, task["id"])]
        # What was said while the first prompt waited came as one.
        assert said.count("Now I can.") == 2
    for session in {asked.session for asked in gateway.asked}:
        order = [asked.lane[0] for asked in gateway.asked if asked.session == session]
        assert order == sorted(order)
    kinds = await admin.fetch("SELECT type FROM events WHERE type LIKE 'runtime:breaker:%' ORDER BY seq")
    assert {row["type"].rpartition(":")[2] for row in kinds} == {"opened", "half_opened", "closed"}


async def has_waited_often(admin):
    """Made due again and again, it still does not leave."""
    await admin.execute(HASTE)
    await admin.execute("SELECT pg_notify('callboard_work', '*')")
    return await admin.fetchval("SELECT max(waited) > 8 FROM runtime_commands WHERE last_error_message LIKE '%left alone%'")


async def test_a_delivery_behind_an_open_breaker_waits_as_long_as_the_breaker(board, gateway, worker, admin):
    task = await board.task()

    async def is_open():
        await admin.execute(HASTE)
        return await admin.fetchval(OPENED)

    await make.until(is_open)

    async def is_left_alone():
        await admin.execute("UPDATE runtime_commands SET run_at = now() WHERE last_error_message NOT LIKE '%left alone%'")
        await admin.execute("UPDATE runtime_lanes SET ready_at = now() WHERE state = 'ready'")
        return await finds(admin, "last_error_message LIKE '%left alone%'", table="runtime_commands")()

    await make.until(is_left_alone)
    assert await admin.fetchval(WAITS_AS_LONG)
    gateway.answering = lambda _: says("Now I can.")
    await hurry(admin)
    await settled(admin)
    assert [message["content"] for message in await thread(board, task["id"])] == ["Now I can."]


async def test_one_agent_has_at_most_as_many_deliveries_at_once_as_its_limit_allows(board, gateway, admin):
    gateway.answering = lambda _: says("NO_REPLY", delay=0.15)
    most = {"value": 2, "reason": "drill"}
    answer = await board.person.put("/api/v1/admin/runtime/settings/limit.agent.most", json=most)
    assert answer.status_code == 200
    for number in range(7):
        await board.task(title=f"Task {number}", assignee_slugs=["engineer"])
    async with gateways.working(board.settings):
        await settled(admin)
    assert 1 <= gateway.most_at_once_of("engineer") <= 2
    assert len(gateway.of("engineer")) == 7
