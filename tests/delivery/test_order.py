import asyncio
from collections import defaultdict
from uuid import UUID

import pytest

from tests import gateways, make
from tests.gateways import says

TASKS, MESSAGES = 20, 14
DELIVERIES = TASKS * (MESSAGES + 1)
SECONDS = 60.0
ORDERED = """SELECT s.key, array_agg(n.id ORDER BY n.id) AS told FROM notifications n
    JOIN agent_sessions s ON s.task_id = n.task_id AND s.agent_id = n.recipient_id
    WHERE n.recipient_kind = 'agent' GROUP BY s.key"""
SPOKEN = """SELECT array_agg(n.id ORDER BY m.id) = array_agg(n.id ORDER BY n.id)
    FROM notifications n JOIN messages m ON m.source_notification_id = n.id GROUP BY n.task_id"""


@pytest.fixture
async def gateway():
    async with gateways.opened(lambda asked: says(f"Heard number {asked.lane[0]}.")) as opened:
        yield opened


async def conversation(board, number):
    """A task for the orchestrator to hear of, and what a person says to it about that: mentions never merge."""
    task = await board.task(title=f"Task {number}")
    for place in range(MESSAGES):
        words = {"content": f"@orchestrator message {place}."}
        said = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json=words)
        assert said.status_code == 201, said.text


async def test_three_hundred_deliveries_over_twenty_sessions_arrive_each_session_in_order(board, gateway, crew, admin):
    for _ in range(2):
        await crew.start()
    await asyncio.gather(*(conversation(board, number) for number in range(TASKS)))
    ended = "SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND state = 'delivered'"

    async def all_delivered():
        return await admin.fetchval(ended) == DELIVERIES

    await make.until(all_delivered, seconds=SECONDS)
    assert len(gateway.asked) == DELIVERIES
    by_session = defaultdict(list)
    for asked in gateway.asked:
        by_session[asked.session].append(asked)
    told = {row["key"]: row["told"] for row in await admin.fetch(ORDERED)}
    assert len(by_session) == TASKS
    for key, requests in by_session.items():
        assert [asked.lane[0] for asked in requests] == list(range(1, MESSAGES + 2))
        assert [UUID(asked.key) for asked in requests] == told[key]
    assert gateway.overlapping == []
    assert gateway.most_at_once > 1
    workers = "SELECT count(DISTINCT worker_id) FROM runtime_command_attempts"
    assert await admin.fetchval(workers) == 2
    in_order = await admin.fetch(SPOKEN)
    assert [row[0] for row in in_order] == [True] * TASKS
    assert await admin.fetchval("SELECT max(seq) - count(*) FROM events") == 0
