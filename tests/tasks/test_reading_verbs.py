"""What the orchestrator may look over, and a task's history for any agent."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests import boards

SURVEYS = ("task-list", "task-get", "task-thread", "task-search")


async def ask(board, verb: str, *, by: str = "orchestrator", **body: Any):
    return await board.as_(by).post(f"/agent/{verb}", json=body)


async def titles(board, **body: Any) -> list[str]:
    answer = await ask(board, "task-list", **body)
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


def fields(answer) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [one["field"] for one in answer.json()["error"]["details"]["fields"]]


async def say(board, task, *contents: str) -> None:
    for content in contents:
        answer = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": content})
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("verb", SURVEYS)
@pytest.mark.parametrize("slug", ["engineer", "reviewer"])
async def test_only_the_orchestrator_looks_over_all_tasks(board, verb, slug):
    task = await board.task(assignee_slugs=["engineer"])
    body = {"task-list": {}, "task-search": {"query": "task"}}.get(verb, {"task_id": task["id"]})
    answer = await ask(board, verb, by=slug, **body)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "orchestrator_required")
    assert (await ask(board, verb, **body)).status_code == 200
    await board.person.patch("/api/v1/account", json={"orchestrator_agent_id": None})
    answer = await ask(board, verb, **body)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "orchestrator_unset")


async def test_a_list_is_newest_first_without_the_archive(board):
    made = [await board.task(title=f"Task {number}") for number in range(3)]
    await board.person.post(f"/api/v1/tasks/{made[1]['id']}/status", json={"status": "archived"})
    assert await titles(board) == ["Task 2", "Task 0"]
    assert await titles(board, status="archived") == ["Task 1"]
    assert await titles(board, status="done") == []


async def test_a_list_is_of_one_agent_however_it_is_spelled(board):
    mine = await board.task(title="Mine", assignee_slugs=["engineer"])
    await board.task(title="Theirs", assignee_slugs=["writer"])
    for slug in ("engineer", "@Engineer", " ENGINEER "):
        assert await titles(board, assignee_slug=slug) == ["Mine"]
    assert await titles(board, assignee_slug="engineer", status="inbox") == []
    await board.person.post(f"/api/v1/tasks/{mine['id']}/status", json={"status": "archived"})
    assert await titles(board, assignee_slug="engineer") == []
    assert await titles(board, assignee_slug="engineer", status="archived") == ["Mine"]


async def test_a_list_goes_on_at_its_cursor(board):
    for number in range(5):
        await board.task(title=f"Task {number}")
    first = (await ask(board, "task-list", limit=3)).json()
    assert ([item["title"] for item in first["items"]], first["limit"]) == (["Task 4", "Task 3", "Task 2"], 3)
    second = (await ask(board, "task-list", limit=3, cursor=first["next_cursor"])).json()
    assert ([item["title"] for item in second["items"]], second["next_cursor"]) == (["Task 1", "Task 0"], None)


async def test_limits_of_a_list_and_of_a_thread_are_clamped_and_reported(board):
    task = await board.task()
    limits: list[tuple[dict[str, Any], int]] = [({}, 50), ({"limit": 0}, 1), ({"limit": -1}, 1), ({"limit": 9999}, 200)]
    for asked, served in limits:
        assert (await ask(board, "task-list", **asked)).json()["limit"] == served
        assert (await ask(board, "task-thread", task_id=task["id"], **asked)).json()["limit"] == served


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"assignee_slug": "nobody"}, "assignee_slug"),
    ({"assignee_slug": "owner@example.com"}, "assignee_slug"),
    ({"assignee_slug": ""}, "assignee_slug"),
    ({"assignee_slug": "x" * 65}, "assignee_slug"),
    ({"status": "lost"}, "status"),
    ({"cursor": "x"}, "cursor"),
    ({"limit": "many"}, "limit"),
    ({"account_id": str(uuid4())}, "account_id"),
]


async def test_a_list_names_what_is_wrong_with_it(board):
    for body, field in BROKEN:
        assert fields(await ask(board, "task-list", **body)) == [field], body


async def test_a_retired_agent_is_nobody_to_list(board):
    agent_id = await board.agent_id("writer")
    assert (await board.person.patch(f"/api/v1/agents/{agent_id}", json={"retired": True})).status_code == 200
    assert fields(await ask(board, "task-list", assignee_slug="writer")) == ["assignee_slug"]


async def test_a_task_is_read_by_its_id(board):
    task = await board.task(title="Fix the lamp", assignee_slugs=["engineer"])
    answer = (await ask(board, "task-get", task_id=task["id"])).json()
    assert (answer["id"], answer["title"]) == (task["id"], "Fix the lamp")
    assert [one["slug"] for one in answer["assignees"]] == ["engineer"]


async def test_a_thread_is_read_from_its_beginning(board):
    task = await board.task()
    await say(board, task, *"abcde")
    first = (await ask(board, "task-thread", task_id=task["id"], limit=2)).json()
    assert [item["content"] for item in first["items"]] == ["a", "b"]
    second = (await ask(board, "task-thread", task_id=task["id"], limit=2, cursor=first["next_cursor"])).json()
    last = (await ask(board, "task-thread", task_id=task["id"], limit=2, cursor=second["next_cursor"])).json()
    assert [item["content"] for page in (second, last) for item in page["items"]] == ["c", "d", "e"]
    assert last["next_cursor"] is None


async def test_any_agent_reads_what_was_said_and_what_happened(board):
    task = await board.task(assignee_slugs=["engineer"])
    await say(board, task, "one", "two")
    await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "in_progress"})
    for slug in ("orchestrator", "engineer", "writer"):
        answer = (await ask(board, "task-history", by=slug, task_id=task["id"])).json()
        assert (answer["task"]["id"], answer["message_limit"], answer["event_limit"]) == (task["id"], 25, 30)
        assert [one["content"] for one in answer["messages"]] == ["one", "two"]
        assert [one["type"] for one in answer["events"]] == ["board:task:status_changed", "board:task:created"]


async def test_a_history_shows_the_newest_of_both_in_their_order(board):
    task = await board.task(title="A")
    await say(board, task, *"abcd")
    for number in range(4):
        await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"title": f"B {number}"})
    answer = (await ask(board, "task-history", by="engineer", task_id=task["id"], message_limit=2, event_limit=3)).json()
    assert [one["content"] for one in answer["messages"]] == ["c", "d"]
    assert [one["sequence"] for one in answer["events"]] == [5, 4, 3]


async def test_limits_of_a_history_are_clamped_and_reported(board):
    task = await board.task()
    for asked, served in ((None, (25, 30)), (0, (1, 1)), (9999, (200, 200)), (10**30, (200, 200))):
        limits: dict[str, Any] = {} if asked is None else {"message_limit": asked, "event_limit": asked}
        answer = (await ask(board, "task-history", by="engineer", task_id=task["id"], **limits)).json()
        assert (answer["message_limit"], answer["event_limit"]) == served


@pytest.mark.parametrize("verb", ["task-get", "task-thread", "task-history"])
async def test_a_foreign_task_is_absent(urls, verb):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        hidden, absent = (await theirs.task())["id"], str(uuid4())
        answers = [await ask(mine, verb, task_id=one) for one in (hidden, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        texts = [answer.json()["error"] for answer in answers]
        for text, one in zip(texts, (hidden, absent), strict=True):
            assert text["message"] == f"there is no task {one}"
            assert text["details"] == {"kind": "task", "id": one}
        assert await titles(mine) == []


async def test_the_coordination_thread_is_in_no_list(board, admin):
    task = await board.task(title="Hidden", assignee_slugs=["engineer"])
    await admin.execute("UPDATE tasks SET is_coordination = true WHERE id = $1", UUID(task["id"]))
    assert await titles(board) == await titles(board, assignee_slug="engineer") == await titles(board, status="assigned") == []
