"""Two workers and a gateway that fails in every way: once it heals, everything has come to one end and was said once."""

from itertools import count
from uuid import uuid4

import msgspec
import pytest

from tests import boards, gateways, make
from tests.gateways import JSON, Asked, Reply, hangs, refuses, says, settled

ENDS = "SELECT state, count(*) AS many FROM notifications WHERE recipient_kind = 'agent' GROUP BY state"
# Every end is told once, and again only after a replay; who is skipped at once never began.
TOLD = """SELECT (SELECT count(*) FROM events e WHERE e.entity_id = n.id AND e.type = 'notify:notification:ended')
        - (SELECT count(*) FROM events e WHERE e.entity_id = n.id AND e.type = 'notify:notification:reopened') AS ends
    FROM notifications n WHERE n.recipient_kind = 'agent' AND n.command_id IS NOT NULL"""
SAID = """SELECT n.id, n.state, count(m.*) AS messages FROM notifications n
    LEFT JOIN messages m ON m.account_id = n.account_id AND m.source_notification_id = n.id
    WHERE n.recipient_kind = 'agent' GROUP BY n.id, n.state"""
CALL = {"type": "function_call", "call_id": "c-1", "name": "task_load", "arguments": '{"task_id": 7'}
FAILURES = (
    Reply(status=500, body=b"oops", content_type="text/plain"),
    refuses(429, **{"Retry-After": "0"}),
    refuses(503),
    Reply(body=b'{"output": [{"type": "message", "con'),
    Reply(body=b'{"object": "response", "output": [', headers={"Content-Length": "5000"}),
    Reply(body=b""),
    Reply(body=b"<html>Bad gateway</html>", content_type="text/html"),
    Reply(body=b'{"output_text": "' + b"x" * (20 << 20) + b'"}'),
    Reply(body=msgspec.json.encode({"object": "response", "output": [CALL]}), content_type=JSON),
    hangs(),
)


@pytest.fixture
async def gateway():
    numbers = count()
    async with gateways.opened() as opened:
        opened.answering = lambda _asked: FAILURES[next(numbers) % len(FAILURES)]
        yield opened


@pytest.fixture
async def board(urls, gateway):
    async with boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as opened:
        yield opened


async def test_once_it_heals_everything_has_one_end_and_was_said_once(board, gateway, admin):
    ill = {"gateway_timeout_seconds": 1}
    async with gateways.working(board.settings, **ill), gateways.working(board.settings, **ill):
        tasks = [await board.task(title=f"Task {number}", assignee_slugs=["engineer"]) for number in range(5)]
        for task in tasks:
            said = {"content": f"@engineer @writer what of {task['title']}?"}
            assert (await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json=said)).status_code == 201
        await failed(gateway, times=2 * len(FAILURES), admin=admin)
        await gateway.shut()
        await gateways.hurry(admin)
        await gateway.open()
        gateway.answering = spoken
        await settled(admin)
        # What was given up for what only a person can judge is replayed by one.
        answer = await board.person.post("/api/v1/deliveries/replay", json={}, headers={"Idempotency-Key": uuid4().hex})
        assert answer.json()["remaining"] == 0
        await settled(admin)
    ends = {row["state"]: row["many"] for row in await admin.fetch(ENDS)}
    assert set(ends) <= {"delivered", "skipped"}, ends
    assert ends["delivered"] >= 3 * len(tasks)
    for row in await admin.fetch(SAID):
        assert row["messages"] == (row["state"] == "delivered")
    assert {row["ends"] for row in await admin.fetch(TOLD)} == {1}
    assert gateway.overlapping == []


def spoken(asked: Asked) -> Reply:
    return says(f"{asked.agent} answers {asked.key}")


async def failed(gateway, *, times: int, admin) -> None:
    async def enough() -> bool:
        await gateways.hurry(admin)
        return len(gateway.asked) >= times

    await make.until(enough, seconds=60)
