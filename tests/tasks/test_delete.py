"""Taking a task off the board keeps what was done on it."""

from uuid import UUID, uuid4

import pytest

from tests import boards


async def delete(board, task_id: str, *, by: str = "orchestrator", **fields):
    return await board.as_(by).post("/agent/task-delete", json={"task_id": task_id, "reason": "it was asked twice"} | fields)


async def test_a_deleted_task_is_archived_with_its_thread_and_its_reason(board):
    task = await board.task(assignee_slugs=["engineer"])
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "Hello"})
    answer = await delete(board, task["id"])
    assert (answer.status_code, answer.json()["status"]) == (200, "archived")
    thread = (await board.person.get(f"/api/v1/tasks/{task['id']}/messages")).json()["items"]
    assert [one["content"] for one in thread] == ["Hello"]
    event = (await board.person.get(f"/api/v1/tasks/{task['id']}/events")).json()["items"][-1]
    assert (event["payload"]["to"], event["payload"]["reason"]) == ("archived", "it was asked twice")


async def test_documents_of_a_deleted_task_stay(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    count = "SELECT count(*) FROM documents WHERE account_id = $1"
    before = await admin.fetchval(count, board.account_id)
    assert (await delete(board, task["id"])).status_code == 200
    assert await admin.fetchval(count, board.account_id) == before > 0


async def test_a_deleted_task_can_be_restored(board):
    task = await board.task()
    await delete(board, task["id"])
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/restore", json={})).json()["status"] == "inbox"


async def test_the_holder_of_a_deleted_task_is_fenced_out(board):
    task = await board.task(assignee_slugs=["engineer"])
    fence = await board.claim("engineer", task["id"])
    assert (await delete(board, task["id"])).status_code == 200
    body = {"task_id": task["id"], "status": "review", "fence": fence}
    assert (await board.as_("engineer").post("/agent/task-status", json=body)).status_code == 409


async def test_a_task_is_deleted_once(board):
    task = await board.task()
    assert (await delete(board, task["id"])).status_code == 200
    answer = await delete(board, task["id"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")


@pytest.mark.parametrize("slug", ["engineer", "reviewer"])
async def test_only_the_orchestrator_deletes(board, slug):
    task = await board.task(assignee_slugs=[slug])
    answer = await delete(board, task["id"], by=slug)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "orchestrator_required")
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["status"] == "assigned"


async def test_a_reason_is_needed_and_bounded(board):
    task = await board.task()
    for fields in ({}, {"reason": None}, {"reason": ""}, {"reason": "   "}, {"reason": "x" * 2001}):
        answer = await board.as_("orchestrator").post("/agent/task-delete", json={"task_id": task["id"]} | fields)
        assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, "reason")
    assert (await delete(board, task["id"], reason="x" * 2000)).status_code == 200


async def test_a_stale_version_deletes_nothing(board):
    task = await board.task()
    answer = await delete(board, task["id"], expected_version=task["version"] + 1)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "version_conflict")
    assert (await delete(board, task["id"], expected_version=task["version"])).status_code == 200


@pytest.mark.parametrize(("children", "status", "parent"), [("archive", "archived", True), ("detach", "inbox", False)])
async def test_open_sub_tasks_go_with_it_or_are_detached(board, admin, children, status, parent):
    task = await board.task()
    below = await board.task(title="Part", parent_id=task["id"])
    answer = await delete(board, task["id"])
    assert (answer.status_code, answer.json()["error"]["details"]["requirement"]) == (422, "children")
    assert (await delete(board, task["id"], children=children)).status_code == 200
    row = await admin.fetchrow("SELECT status, parent_id IS NOT NULL FROM tasks WHERE id = $1", UUID(below["id"]))
    assert tuple(row) == (status, parent)


async def test_a_foreign_task_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        hidden, absent = (await theirs.task())["id"], str(uuid4())
        for one in (hidden, absent):
            answer = await delete(mine, one)
            assert (answer.status_code, answer.json()["error"]["details"]) == (404, {"kind": "task", "id": one})
