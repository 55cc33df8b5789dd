"""`next`: what waits for one agent."""

import asyncio


async def test_an_assignment_wakes_a_waiting_agent_and_nobody_else(board):
    task = await board.task()
    mine = asyncio.create_task(board.as_("engineer").post("/agent/next", json={"wait": 20}))
    other = asyncio.create_task(board.as_("writer").post("/agent/next", json={"wait": 1}))
    await asyncio.sleep(0.2)
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": ["engineer"]})
    assert answer.status_code == 200
    got = await asyncio.wait_for(mine, 5)
    assert (got.status_code, got.json()["task"]["id"]) == (200, task["id"])
    assert (await other).status_code == 204
