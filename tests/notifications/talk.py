"""Saying things on a task, and looking at what waits for an agent."""

from typing import Any

WAITING = """SELECT n.*, m.content, m.position FROM notifications n LEFT JOIN messages m ON m.id = n.message_id
    WHERE n.recipient_id = $1 AND n.state = 'queued' ORDER BY n.id"""
SEEN = "SELECT seen FROM thread_positions WHERE task_id = $1 AND agent_id = $2"


async def say(board, task, content: str, *, who: str | None = None) -> dict[str, Any]:
    """As a person, or as the agent `who`."""
    if who is None:
        answer = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": content})
    else:
        answer = await board.as_(who).post("/agent/task-message", json={"task_id": task["id"], "content": content})
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def fetch(board, who: str, *acks: str) -> dict[str, Any]:
    """The notification that is offered now; empty when there is none."""
    answer = await board.as_(who).post("/agent/next", json={"wait": 0, "ack": list(acks)})
    assert answer.status_code in (200, 204), answer.text
    work = answer.json() if answer.content else {}
    found: dict[str, Any] = work.get("notification") or {}
    return found


async def emptied(board, who: str) -> list[dict[str, Any]]:
    """Everything that is offered, acknowledged one by one."""
    found = []
    notice = await fetch(board, who)
    while notice:
        found.append(notice)
        notice = await fetch(board, who, notice["id"])
    return found


async def waiting(admin, board, who: str) -> list[Any]:
    return list(await admin.fetch(WAITING, await board.agent_id(who)))


async def seen(admin, board, task, who: str) -> int | None:
    found: int | None = await admin.fetchval(SEEN, task["id"], await board.agent_id(who))
    return found
