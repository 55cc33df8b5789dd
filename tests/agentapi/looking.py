"""Asking `next` for work, and bringing tasks to the states in which it shows them."""

from typing import Any


async def look(board, who: str, *, wait: float = 0, ack: tuple[str, ...] = ()):
    return await board.as_(who).post("/agent/next", json={"wait": wait, "ack": list(ack)})


async def taken(board, who: str) -> list[dict[str, Any]]:
    """Everything that is offered to somebody, acknowledged one by one, and what is left then."""
    found: list[dict[str, Any]] = []
    ack: tuple[str, ...] = ()
    while True:
        answer = await look(board, who, ack=ack)
        if answer.status_code == 204:
            return found
        work = answer.json()
        found.append(work)
        if work["ack"] is None:
            return found
        ack = (work["ack"],)


async def move(board, task, *statuses: str) -> None:
    for status in statuses:
        body = {"status": status, "blocked_reason": "b"}
        answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json=body)
        assert answer.status_code == 200, answer.text


async def shown(board, who: str) -> list[tuple[str, str | None]]:
    """What is shown once the notifications are taken."""
    return [(one["reason"], one["task"] and one["task"]["title"]) for one in await taken(board, who) if one["kind"] == "task"]


async def say(board, who: str, verb: str, **body: Any) -> dict[str, Any]:
    """Call a verb as an agent; it has to work."""
    answer = await board.as_(who).post(f"/agent/{verb}", json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def capacity(board, slug: str, number: int) -> None:
    answer = await board.person.patch(f"/api/v1/agents/{await board.agent_id(slug)}", json={"capacity": number})
    assert answer.status_code == 200, answer.text
