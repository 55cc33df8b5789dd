"""A gateway that fails in every way it can, two workers, and afterwards a board on which everything happened once."""

import random
from uuid import uuid4

from tests import gateways, make
from tests.gateways import MALFORMED, NO_REPLY, NOTHING, Asked, Reply, calls, hangs, hurry, refuses, says, settled, thread

LETTERS = "/api/v1/admin/runtime/dead-letters"
CUT = Reply(body=b'{"output": [', headers={"Content-Length": "4000"})
HUGE = Reply(body=b" " * (20 * 1024 * 1024))
ENDS = """SELECT n.state, count(e.*) AS ends, (SELECT count(*) FROM messages m WHERE m.source_notification_id = n.id) AS said
    FROM notifications n LEFT JOIN events e ON e.entity_id = n.id AND e.type = 'notify:notification:ended'
    WHERE n.recipient_kind = 'agent' GROUP BY n.id, n.state"""
TASKS, AGENTS = 13, ("engineer", "engineer-2", "writer")


class Trouble:
    """Answers as chance wants it, each kind of trouble at least once."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        wrong = calls(("task_load", '{"task_id": '), ("task_fly", {}), ("task_status", {"status": 7}))
        self._kinds = [
            *(refuses(500), refuses(503), refuses(429, **{"Retry-After": "1"}), refuses(401), refuses(404), CUT, HUGE, hangs()),
            *(MALFORMED, NOTHING, wrong, calls(("get_agent_skills", {}), text="Let me see."), says("Half way.")),
        ]
        self.due = self._chance.sample(self._kinds, len(self._kinds))

    def __call__(self, asked: Asked) -> Reply:
        if asked.agent not in AGENTS:
            return NO_REPLY
        return self.due.pop() if self.due else self._chance.choice(self._kinds)


def working(board):
    return gateways.working(board.settings, gateway_timeout_seconds=1)


async def test_whatever_a_gateway_does_each_notification_ends_once_and_each_message_appears_once(board, gateway, admin):
    gateway.answering = trouble = Trouble(5)
    async with working(board), working(board):
        tasks = [await board.task(title=f"Task {number}", assignee_slugs=[AGENTS[number % 3]]) for number in range(TASKS)]

        async def was_troubled():
            await hurry(admin)
            return not trouble.due

        await make.until(was_troubled)
        await gateway.shut()
        await hurry(admin)
        await gateway.open()
        gateway.answering = lambda asked: says("Now I can.") if asked.agent in AGENTS else NO_REPLY
        await settled(admin)
        ended = await admin.fetch(ENDS)
        assert {row["ends"] for row in ended} == {1}
        assert all(row["said"] <= (row["state"] == "delivered") for row in ended)
        wanted = {"command_type": "delivery.send"}
        await board.person.post(f"{LETTERS}/replay", json=wanted, headers={"Idempotency-Key": uuid4().hex})
        await settled(admin)
    ended = await admin.fetch(ENDS)
    assert {row["state"] for row in ended} <= {"delivered", "no_response", "skipped"}
    for task in tasks:
        said = [message["content"] for message in await thread(board, task["id"])]
        assert len(said) <= 1, said
    assert await admin.fetchval("SELECT max(seq) - count(*) FROM events") == 0
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state NOT IN ('succeeded', 'retry_scheduled')") == 0
