"""Moving cards over HTTP: the table, what each state needs, and what a refusal leaves untouched."""

import asyncio
from typing import Any

import pytest

TABLE = {
    "inbox": ["assigned", "archived"],
    "assigned": ["in_progress", "blocked", "inbox", "archived"],
    "in_progress": ["review", "blocked", "archived"],
    "review": ["done", "in_progress", "blocked", "archived"],
    "blocked": ["assigned", "in_progress", "archived"],
    "done": ["archived"],
    "archived": [],
}
ROADS = {
    "inbox": [],
    "assigned": ["assigned"],
    "in_progress": ["assigned", "in_progress"],
    "review": ["assigned", "in_progress", "review"],
    "done": ["assigned", "in_progress", "review", "done"],
    "blocked": ["assigned", "blocked"],
    "archived": ["archived"],
}


def path(task: dict[str, Any], verb: str = "") -> str:
    return f"/api/v1/tasks/{task['id']}{verb and '/' + verb}"


async def move(board, task, status, **fields):
    extra = {"blocked_reason": "waiting"} if status == "blocked" else {}
    return await board.person.post(path(task, "status"), json={"status": status} | extra | fields)


async def assign(board, task, *slugs, **fields):
    return await board.person.post(path(task, "assign"), json={"assignee_slugs": list(slugs)} | fields)


async def shown(board, task) -> dict[str, Any]:
    answer = await board.person.get(path(task))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def put_at(board, status: str) -> dict[str, Any]:
    """A task that went to `status` by the board's own verbs; with an assignee where one may be."""
    task = await board.task()
    for step in ROADS[status]:
        answer = await (assign(board, task, "engineer") if step == "assigned" else move(board, task, step))
        assert answer.status_code == 200, answer.text
    found = await shown(board, task)
    assert found["status"] == status
    return found


async def events(admin) -> int:
    count: int = await admin.fetchval("SELECT count(*) FROM events")
    return count


# In the table, but assigning makes these moves: a card in the inbox has no assignee, one that is assigned has.
BY_ASSIGNMENT = {("inbox", "assigned"), ("assigned", "inbox")}


@pytest.mark.parametrize("start", TABLE)
async def test_every_pair_of_states_answers_as_the_table_says(board, admin, start):
    for goal in TABLE:
        task = await put_at(board, start)
        before = await events(admin)
        answer = await move(board, task, goal)
        after = await shown(board, task)
        if goal not in TABLE[start]:
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (409, "invalid_transition"), (start, goal)
            assert error["details"] == {"from": start, "to": goal, "allowed": TABLE[start]}
        else:
            assert answer.status_code == (422 if (start, goal) in BY_ASSIGNMENT else 200), (start, goal, answer.text)
        if answer.status_code == 200:
            assert (after["status"], after["version"]) == (goal, task["version"] + 1)
            assert await events(admin) > before
        else:
            assert (after, await events(admin)) == (task, before), (start, goal)


async def refused(board, task, answer, expected, /, **details):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == expected, answer.text
    assert {name: error["details"][name] for name in details} == details
    assert await shown(board, task) == task


async def test_work_needs_an_assignee(board, admin):
    task = await put_at(board, "inbox")
    answer = await move(board, task, "assigned")
    await refused(board, task, answer, (422, "requirement_failed"), requirement="assignee")


async def test_a_blocked_task_without_assignees_does_not_start(board, admin):
    task = await board.task(status="blocked", blocked_reason="no key")
    answer = await move(board, task, "in_progress")
    await refused(board, task, answer, (422, "requirement_failed"), requirement="assignee")


@pytest.mark.parametrize("reason", [{"blocked_reason": None}, {"blocked_reason": "  "}, {"reason": "later"}])
async def test_blocking_needs_a_reason_that_says_something(board, admin, reason):
    task = await put_at(board, "in_progress")
    answer = await move(board, task, "blocked", **({"blocked_reason": None} | reason))
    await refused(board, task, answer, (422, "requirement_failed"), requirement="blocked_reason")


async def test_an_inbox_task_has_no_assignee(board, admin):
    task = await put_at(board, "assigned")
    answer = await move(board, task, "inbox")
    await refused(board, task, answer, (422, "requirement_failed"), requirement="no_assignee")


@pytest.mark.parametrize("goal", ["assigned", "in_progress", "archived"])
async def test_leaving_blocked_clears_the_reason(board, goal):
    task = await put_at(board, "blocked")
    assert task["blocked_reason"] == "waiting"
    answer = await move(board, task, goal)
    assert (answer.status_code, answer.json()["blocked_reason"]) == (200, None)
    assert (await shown(board, task))["blocked_reason"] is None


async def test_reassigning_a_blocked_task_keeps_its_state_and_reason(board):
    task = await put_at(board, "blocked")
    await assign(board, task, "writer", replace=True)
    found = await shown(board, task)
    assert (found["status"], found["blocked_reason"]) == ("blocked", "waiting")


async def test_reopening_brings_a_done_task_back_to_review_in_new_sessions(board, admin):
    sessions = "SELECT generation, closed_reason FROM agent_sessions WHERE task_id = $1 ORDER BY generation"
    task = await put_at(board, "done")
    answer = await board.person.post(path(task, "reopen"), json={"reason": "the tests fail"})
    assert (answer.status_code, answer.json()["status"], answer.json()["completed_at"]) == (200, "review", None)
    log = (await board.person.get(path(task, "events"))).json()["items"]
    assert (log[-1]["payload"]["reopened"], log[-1]["payload"]["to"]) == (True, "review")
    open_ones = [row for row in await admin.fetch(sessions, task["id"]) if row["closed_reason"] is None]
    assert all(row["generation"] > 1 for row in open_ones)


async def test_only_done_tasks_are_reopened_and_only_archived_ones_restored(board, admin):
    for status, allowed in TABLE.items():
        task = await put_at(board, status)
        for verb, start, goal in (("reopen", "done", "review"), ("restore", "archived", "inbox")):
            if status != start:
                answer = await board.person.post(path(task, verb), json={})
                assert answer.json()["error"]["details"]["from"] == status, goal
                await refused(board, task, answer, (409, "invalid_transition"), allowed=allowed)


@pytest.mark.parametrize(("start", "goal"), [("inbox", "inbox"), ("review", "assigned")])
async def test_restoring_gives_the_task_back_to_those_on_it(board, start, goal):
    task = await put_at(board, start)
    await move(board, task, "archived")
    answer = await board.person.post(path(task, "restore"), json={})
    assert (answer.status_code, answer.json()["status"], answer.json()["archived_at"]) == (200, goal, None)


CHANGES: dict[str, dict[str, Any]] = {
    "status": {"status": "in_progress"},
    "assign": {"assignee_slugs": ["writer"]},
    "edit": {"title": "B"},
    "reopen": {},
    "restore": {},
}


@pytest.mark.parametrize("verb", CHANGES)
async def test_a_stale_version_is_refused_before_anything_is_written(board, admin, verb):
    task = await put_at(board, {"reopen": "done", "restore": "archived"}.get(verb, "assigned"))
    wanted, before = CHANGES[verb] | {"expected_version": task["version"] + 1}, await events(admin)
    if verb == "edit":
        answer = await board.person.patch(path(task), json=wanted)
    else:
        answer = await board.person.post(path(task, verb), json=wanted)
    await refused(board, task, answer, (409, "version_conflict"), version=task["version"])
    assert await events(admin) == before


async def test_an_expected_status_that_is_not_the_status_is_a_conflict(board, admin):
    task = await put_at(board, "assigned")
    answer = await move(board, task, "in_progress", expected_status="inbox")
    await refused(board, task, answer, (409, "version_conflict"), status="assigned", expected_status="inbox")
    assert (await move(board, task, "in_progress", expected_status="assigned")).status_code == 200


async def test_of_many_moves_that_expect_one_version_one_succeeds(board):
    task = await put_at(board, "assigned")
    moves = [move(board, task, "in_progress", expected_version=task["version"]) for _ in range(10)]
    answers = [answer.status_code for answer in await asyncio.gather(*moves)]
    assert sorted(answers) == [200] + [409] * 9
    assert (await shown(board, task))["version"] == task["version"] + 1
