"""Asking agents for an answer, and what became of it."""

from datetime import timedelta
from typing import Any

OF_REQUESTS = """
SELECT n.id::text, a.slug, n.title, n.body, n.state, n.actor_kind, n.reason
FROM notifications n JOIN agents a ON a.id = n.recipient_id WHERE n.type = 'response_request' ORDER BY a.slug DESC, n.id
"""
BACK = """
UPDATE notifications SET created_at = created_at - $1::interval, ended_at = ended_at - $1::interval
WHERE type = 'response_request'
"""


async def ask(board, who: str, task: dict[str, Any], *slugs: str, message: str = "Is it ready?", **fields: Any):
    body = {"recipient_slugs": list(slugs), "message": message} | fields
    if "@" in who:
        return await board.as_(who).post(f"/api/v1/tasks/{task['id']}/response-requests", json=body)
    return await board.as_(who).post("/agent/response-request", json={"task_id": task["id"]} | body)


async def outcome(board, who: str, task: dict[str, Any], *slugs: str) -> tuple[list[str], dict[str, str]]:
    """Who was asked, and who was not and why."""
    answer = await ask(board, who, task, *slugs)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [one["slug"] for one in body["created"]], {one["slug"]: one["reason"] for one in body["suppressed"]}


async def requests(admin) -> list[dict[str, Any]]:
    return [dict(row) for row in await admin.fetch(OF_REQUESTS)]


async def passed(admin, hours: float) -> None:
    await admin.execute(BACK, timedelta(hours=hours))


async def say(board, who: str, task: dict[str, Any], content: str = "Here it is.", **fields: Any) -> None:
    answer = await board.as_(who).post("/agent/task-message", json={"task_id": task["id"], "content": content} | fields)
    assert answer.status_code == 201, answer.text


async def acknowledge(board, who: str, notification_id: str) -> None:
    """The agent says that it has heard of it."""
    await board.as_(who).post("/agent/next", json={"wait": 0, "ack": [notification_id]})
