"""Keys of sessions, as agents are handed them and as people see them."""

from typing import Any


async def call(board, who: str, key: str | None, task: dict[str, Any], **headers: str):
    extra = {} if key is None else {"X-Session-Key": key}
    return await board.as_(who).post("/agent/task-load", json={"task_id": task["id"]}, headers=extra | headers)


async def key_of(board, who: str, task: dict[str, Any]) -> str | None:
    """What the agent is handed with the task."""
    answer = await call(board, who, None, task)
    assert answer.status_code == 200, answer.text
    key: str | None = answer.json()["session_key"]
    return key


async def move(board, task, *statuses: str, **fields: Any) -> None:
    for status in statuses:
        answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status} | fields)
        assert answer.status_code == 200, answer.text


async def back(board, task, verb: str) -> None:
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/{verb}", json={})
    assert answer.status_code == 200, answer.text


async def listed(board, slug: str, query: str = "") -> dict[str, Any]:
    answer = await board.person.get(f"/api/v1/agents/{await board.agent_id(slug)}/sessions{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
