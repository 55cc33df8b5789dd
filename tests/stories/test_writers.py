"""Two hundred writers at once, with conflicts and deadlocks: each call is answered, and none with a defect."""

import asyncio
import random
from collections import Counter

import asyncpg

from app.kernel import db
from tests import boards

WRITERS, CALLS, TASKS, SABOTEURS = 200, 3, 6, 3
# What a writer may be told: done, refused with a reason, or to come again.
ANSWERS = {200, 201, 204, 403, 409, 422, 429, 503}


async def sabotage(url: str, ids: list[str], stop: asyncio.Event) -> int:
    """Lock two cards in any order, for as long as it takes others to collide; answers how many deadlocks hit this side."""
    connection, hit = await asyncpg.connect(db.plain(url)), 0
    try:
        while not stop.is_set():
            try:
                async with connection.transaction():
                    for task_id in random.sample(ids, 2):
                        await connection.execute("UPDATE tasks SET description = description WHERE id = $1", task_id)
                        await asyncio.sleep(0.01)
            except asyncpg.DeadlockDetectedError:
                hit += 1
            await asyncio.sleep(0.005)
    finally:
        await connection.close()
    return hit


def call(board: boards.Board, ids: list[str]):
    """One random write of one random principal."""
    one, other = random.sample(ids, 2)
    person, agent, leader = board.person, board.as_("engineer"), board.as_("orchestrator")
    key = {"Idempotency-Key": f"k{random.randrange(40)}"}
    return random.choice(
        [
            lambda: person.patch(f"/api/v1/tasks/{one}", json={"priority": random.randint(1, 5)}),
            lambda: person.patch(f"/api/v1/tasks/{one}", json={"title": "T", "expected_version": random.randint(1, 9)}),
            lambda: person.post(f"/api/v1/tasks/{one}/messages", json={"content": "hi @engineer"}, headers=key),
            lambda: agent.post("/agent/task-claim", json={"task_id": one}),
            lambda: agent.post("/agent/task-message", json={"task_id": one, "content": "done?"}),
            lambda: leader.post("/agent/task-status", json={"task_id": one, "status": "blocked", "blocked_reason": "b"}),
            lambda: leader.post("/agent/task-status", json={"task_id": one, "status": "in_progress"}),
            lambda: person.patch(f"/api/v1/tasks/{one}", json={"depends_on": [other]}),
            lambda: leader.post("/agent/task-assign", json={"task_id": one, "assignee_slugs": ["engineer"]}),
        ]
    )


async def test_two_hundred_writers_are_all_answered_and_none_meets_a_defect(urls, admin):
    await admin.execute("ALTER DATABASE " + await admin.fetchval("SELECT current_database()") + " SET deadlock_timeout = '20ms'")
    async with boards.opened(urls[1]) as board:
        ids = [(await board.task(assignee_slugs=["engineer", "engineer-2"]))["id"] for _ in range(TASKS)]
        stop, answers = asyncio.Event(), Counter[int]()

        async def writer() -> None:
            for _ in range(CALLS):
                answer = await call(board, ids)()
                answers[answer.status_code] += 1
                assert answer.status_code in ANSWERS, answer.text
                if answer.status_code >= 400:
                    assert answer.json()["error"]["code"] != "internal"
                if answer.status_code == 503:
                    assert answer.headers["Retry-After"]

        saboteurs = [asyncio.create_task(sabotage(urls[0], ids, stop)) for _ in range(SABOTEURS)]
        try:
            await asyncio.gather(*[writer() for _ in range(WRITERS)])
        finally:
            stop.set()
            hits = sum(await asyncio.gather(*saboteurs))
    assert sum(answers.values()) == WRITERS * CALLS
    assert answers[200] + answers[201] > WRITERS
    assert hits > 0
    gaps = await admin.fetchval("SELECT max(seq) - count(*) FROM events")
    assert gaps == 0
