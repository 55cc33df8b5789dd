"""However posting, taking and acknowledging fall together: what an agent was not shown, something that waits will show it."""

import asyncio
import random

import pytest

from tests.notifications.talk import emptied, fetch, say

STEPS = 60
# Words of others behind the agent's position that nothing which waits for it reaches, and that the policy did not skip.
UNTOLD = """SELECT m.content FROM messages m LEFT JOIN thread_positions p ON p.task_id = m.task_id AND p.agent_id = $1
    WHERE m.author_id IS DISTINCT FROM $1 AND m.position > coalesce(p.seen, 0)
      AND NOT EXISTS (SELECT FROM notifications n WHERE n.message_id = m.id AND n.recipient_id = $1 AND n.state = 'skipped')
      AND NOT EXISTS (SELECT FROM notifications n JOIN messages c ON c.id = n.message_id
          WHERE n.task_id = m.task_id AND n.recipient_id = $1 AND n.state = 'queued' AND c.position >= m.position)"""
OPEN_UPDATES = """SELECT max(many) FROM (SELECT count(*) AS many FROM notifications WHERE recipient_kind = 'agent'
    AND type = 'thread_update' AND state = 'queued' AND taken_at IS NULL GROUP BY task_id, recipient_id) o"""
AGE = "UPDATE notifications SET offered_at = offered_at - interval '61 s', created_at = created_at - interval '{} h'"


class Crowd:
    """Everybody who talks on two tasks, and the engineer, who is told of it."""

    def __init__(self, board, admin, tasks, *, seed: int) -> None:
        self._board, self._admin, self._tasks = board, admin, tasks
        self._random = random.Random(seed)
        self._held: list[str] = []
        self._count = 0

    async def step(self) -> None:
        kind = self._random.choice(["post", "post", "post", "take", "take", "ack", "age", "rush"])
        await getattr(self, kind)()

    async def post(self) -> None:
        self._count += 1
        task, who = self._random.choice(self._tasks), self._random.choice([None, None, "orchestrator", "engineer"])
        await say(self._board, task, f"Message {self._count}.", who=who)

    async def take(self) -> None:
        notice = await fetch(self._board, "engineer")
        if notice:
            self._held.append(notice["id"])

    async def ack(self) -> None:
        if self._held:
            notice = await fetch(self._board, "engineer", self._held.pop(self._random.randrange(len(self._held))))
            self._held += [notice["id"]] if notice else []

    async def age(self) -> None:
        await self._admin.execute(AGE.format(self._random.choice([0, 7])))

    async def rush(self) -> None:
        await asyncio.gather(self.post(), self.take(), self.post(), self.ack(), self.post())


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_interleaving_leaves_a_message_unseen(board, admin, seed):
    tasks = [await board.task(assignee_slugs=["engineer"]) for _ in range(2)]
    me = await board.agent_id("engineer")
    crowd = Crowd(board, admin, tasks, seed=seed)
    for _ in range(STEPS):
        await crowd.step()
        assert await admin.fetch(UNTOLD, me) == []
        assert (await admin.fetchval(OPEN_UPDATES) or 0) <= 1
    await admin.execute(AGE.format(0))
    await emptied(board, "engineer")
    left = "SELECT count(*) FROM notifications WHERE recipient_id = $1 AND state = 'queued'"
    assert await admin.fetchval(left, me) == 0
    assert await admin.fetch(UNTOLD, me) == []
