"""Assigning and making cards over HTTP, and what agents may not do with them."""

import asyncio

import pytest

from tests.boards import OWNER


async def assign(client, task, *slugs, **fields):
    return await client.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": list(slugs)} | fields)


def slugs(answer):
    return [one["slug"] for one in answer.json()["assignees"]]


async def test_the_first_assignee_brings_a_task_from_the_inbox(board):
    task = await board.task()
    answer = await assign(board.person, task, "engineer")
    assert (answer.json()["status"], slugs(answer), answer.json()["version"]) == ("assigned", ["engineer"], 2)


async def test_assigning_adds_by_default_and_replaces_on_demand(board):
    task = await board.task(assignee_slugs=["engineer"])
    assert sorted(slugs(await assign(board.person, task, "writer"))) == ["engineer", "writer"]
    assert slugs(await assign(board.person, task, "reviewer", replace=True)) == ["reviewer"]


@pytest.mark.parametrize("status", ["assigned", "in_progress"])
async def test_a_started_task_goes_to_the_inbox_with_its_last_assignee(board, status):
    task = await board.task(assignee_slugs=["engineer"])
    if status == "in_progress":
        await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status})
    answer = await assign(board.person, task, replace=True)
    assert (answer.json()["status"], answer.json()["assignees"]) == ("inbox", [])


@pytest.mark.parametrize("status", ["review", "blocked"])
async def test_a_task_in_review_or_blocked_stays_there_without_assignees(board, status):
    task = await board.task(assignee_slugs=["engineer"])
    for goal in ("in_progress", status):
        await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": goal, "blocked_reason": "b"})
    assert (await assign(board.person, task, replace=True)).json()["status"] == status


async def test_work_returns_to_assigned_when_its_starter_is_replaced(board):
    task = await board.task(assignee_slugs=["engineer"])
    started = await board.as_("engineer").post("/agent/task-status", json={"task_id": task["id"], "status": "in_progress"})
    assert started.status_code == 200
    assert (await assign(board.person, task, "writer", replace=True)).json()["status"] == "assigned"


async def test_assigning_the_same_again_writes_nothing(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    before = await admin.fetchval("SELECT count(*) FROM events")
    assert (await assign(board.person, task, "@Engineer")).json()["version"] == task["version"]
    assert await admin.fetchval("SELECT count(*) FROM events") == before


async def test_people_are_assigned_by_address(board):
    task = await board.task()
    answer = await assign(board.person, task, assignee_emails=[OWNER])
    assert [one["email"] for one in answer.json()["assignees"]] == [OWNER]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"assignee_slugs": ["nobody"]}, "assignee_slugs"),
        ({"assignee_slugs": ["engineer", "nobody"]}, "assignee_slugs"),
        ({"assignee_emails": ["nobody@example.com"]}, "assignee_emails"),
    ],
)
async def test_an_unknown_name_is_the_callers_mistake_and_assigns_nobody(board, body, field):
    task = await board.task()
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json=body)
    assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, field)
    assert (await board.person.post("/api/v1/tasks", json={"title": "T"} | body)).status_code == 422
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json() == task


async def test_naming_nobody_is_refused(board):
    task = await board.task()
    answer = await assign(board.person, task)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "requirement_failed")


@pytest.mark.parametrize("status", ["done", "archived"])
async def test_a_closed_task_keeps_its_assignees(board, status):
    task = await board.task(assignee_slugs=["engineer"])
    for goal in ("in_progress", "review", status):
        await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": goal})
    answer = await assign(board.person, task, "writer")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")


async def test_of_many_assignments_at_once_every_one_counts_once(board):
    task = await board.task()
    names = ["engineer", "engineer-2", "writer", "reviewer"]
    answers = await asyncio.gather(*(assign(board.person, task, name) for name in names * 3))
    assert {answer.status_code for answer in answers} == {200}
    found = await board.person.get(f"/api/v1/tasks/{task['id']}")
    assert (sorted(slugs(found)), found.json()["version"]) == (sorted(names), 1 + len(names))


@pytest.mark.parametrize("status", ["review", "done", "archived"])
async def test_no_task_is_born_finished(board, admin, status):
    answer = await board.person.post("/api/v1/tasks", json={"title": "T", "status": status, "assignee_slugs": ["engineer"]})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]["to"]) == (409, "invalid_transition", status)
    assert await admin.fetchval("SELECT count(*) FROM tasks") == 0


@pytest.mark.parametrize("status", ["inbox", "archived"])
async def test_agents_do_not_archive_or_go_back_to_the_inbox(board, status):
    task = await board.task(assignee_slugs=["engineer"])
    answer = await board.as_("engineer").post("/agent/task-status", json={"task_id": task["id"], "status": status})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]["fields"][0]["field"]) == (422, "validation_failed", "status")


async def test_an_agent_moves_only_what_it_is_assigned_to(board):
    task = await board.task(assignee_slugs=["engineer"])
    wanted = {"task_id": task["id"], "status": "in_progress"}
    for slug in ("engineer-2", "writer", "reviewer"):
        answer = await board.as_(slug).post("/agent/task-status", json=wanted)
        assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "not_assigned"), slug
    assert (await board.as_("engineer").post("/agent/task-status", json=wanted)).status_code == 200


async def test_the_orchestrator_moves_any_task_and_a_reviewer_those_in_review(board):
    task = await board.task(assignee_slugs=["engineer"])
    for who, status in (("orchestrator", "in_progress"), ("engineer", "review"), ("reviewer", "in_progress")):
        body = {"task_id": task["id"], "status": status, "reason": "so"}
        if who == "engineer":
            body["fence"] = await board.claim("engineer", task["id"])
        answer = await board.as_(who).post("/agent/task-status", json=body)
        assert (answer.status_code, answer.json().get("status")) == (200, status), (who, answer.text)


@pytest.mark.parametrize(("who", "reason"), [("engineer", "orchestrator_required"), ("reviewer", "orchestrator_required")])
async def test_only_the_orchestrator_hands_work_to_others(board, who, reason):
    task = await board.task(assignee_slugs=["engineer"])
    answer = await board.as_(who).post("/agent/task-assign", json={"task_id": task["id"], "assignee_slugs": ["writer"]})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, reason)
