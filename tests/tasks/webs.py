"""Small things that tests of dependencies and sub-tasks need."""

from typing import Any

ROADS = {
    "inbox": ["in_progress", "review", "done"],
    "assigned": ["in_progress", "review", "done"],
    "in_progress": ["review", "done"],
    "review": ["done"],
}


def path(task: dict[str, Any], verb: str = "") -> str:
    return f"/api/v1/tasks/{task['id']}{verb and '/' + verb}"


def refusal(answer: Any) -> tuple[int, str]:
    assert answer.status_code >= 400, answer.text
    return answer.status_code, answer.json()["error"]["code"]


def details(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]["details"]
    return found


async def move(board, task, status, **fields):
    extra = {"blocked_reason": "waiting"} if status == "blocked" else {}
    return await board.person.post(path(task, "status"), json={"status": status} | extra | fields)


async def edit(board, task, **fields):
    return await board.person.patch(path(task), json=fields)


async def shown(board, task) -> dict[str, Any]:
    found: dict[str, Any] = (await board.person.get(path(task))).json()
    return found


async def brought(board, task, goal: str) -> None:
    """The task by the board's own verbs at `goal`, with an assignee where it had none."""
    status = (await shown(board, task))["status"]
    if status == "inbox":
        await board.person.post(path(task, "assign"), json={"assignee_slugs": ["writer"]})
    for step in ROADS[status]:
        answer = await move(board, task, step)
        assert answer.status_code == 200, answer.text
        if step == goal:
            break


async def finish(board, *tasks) -> None:
    for task in tasks:
        await brought(board, task, "done")


async def graph(board, task) -> dict[str, Any]:
    answer = await board.person.get(path(task, "graph"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(linked) -> set[str]:
    return {one["id"] for one in linked}


async def log(board, task, kind: str = "") -> list[dict[str, Any]]:
    items = (await board.person.get(path(task, "events"), params={"limit": 200})).json()["items"]
    return [one for one in items if kind in one["type"]]


async def told(board, task, kind: str, *, title: str = "") -> list[str]:
    """Who was told of the task in that way, by the names of agents and the ids of people, the oldest first."""
    items = (await board.person.get("/api/v1/notifications", params={"task_id": task["id"], "limit": 200})).json()["items"]
    agents = {one["id"]: one["slug"] for one in (await board.person.get("/api/v1/agents")).json()["items"]}
    found = [one for one in reversed(items) if one["type"] == kind and title in one["title"]]
    return [agents.get(one["recipient_id"], "person") for one in found]
