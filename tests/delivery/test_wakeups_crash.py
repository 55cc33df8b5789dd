"""A worker that dies while it settles a wake-up leaves exactly one message, on the task that the answer names."""

import asyncio

from tests import make
from tests.delivery.test_crash import BLOCKED, holder, killed  # noqa: F401 a fixture
from tests.gateways import NO_REPLY, finds, says, thread

COMMANDS = "/api/v1/admin/runtime/commands"
OUTCOME = "SELECT d.outcome FROM deliveries d JOIN notifications n ON n.id = d.notification_id WHERE n.type = 'wakeup'"


async def test_the_words_of_a_wake_up_are_posted_once_though_their_worker_was_killed(board, gateway, crew, admin, holder):  # noqa: F811
    answer = asyncio.Event()
    worker = await crew.start()
    task = await board.task(assignee_slugs=["engineer"])
    await make.until(finds(admin, "recipient_kind = 'agent' AND state = 'delivered'"))
    words = says(f"Task: {task['id']}\nJust once.", once=answer)
    gateway.answering = lambda asked: words if "# Wake-up" in str(asked.decoded["input"]) else NO_REPLY
    asked = {"command_type": "agent.wakeup", "payload": {"agent_id": await board.agent_id("engineer")}}
    assert (await board.person.post(COMMANDS, json=asked)).status_code in {200, 201, 202}
    await make.until(finds(admin, "type = 'wakeup'"))
    async with holder.transaction():
        await holder.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        answer.set()
        await make.until(finds(admin, BLOCKED, table="pg_stat_activity"))
        await killed(worker)
    assert await admin.fetchval("SELECT count(*) FROM messages") == 0
    await crew.start()
    await make.until(finds(admin, "type = 'wakeup' AND state = 'delivered'"))
    assert [message["content"] for message in await thread(board, task["id"])] == ["Just once."]
    assert await admin.fetchval(OUTCOME) == "replied"
