"""`next`: what waits for one agent."""

import asyncio
import time
from typing import Any

import pytest

from tests import boards, make
from tests.agentapi.looking import look, move, shown, taken

WAIT = 20.0


def pool_of(board) -> Any:
    return board._application.app.state.board.database.app


def waiters(board) -> int:
    waiting = board._application.app.state.waiting
    return sum(len(events) for events in waiting._accounts.values())


async def waiting(board, who: str, *, wait: float = WAIT):
    """A call of `next` that waits by now."""
    before = waiters(board)
    call = asyncio.create_task(look(board, who, wait=wait))

    async def has_looked() -> bool:
        return call.done() or (waiters(board) > before and is_idle(board))

    await make.until(has_looked)
    return call


def is_idle(board) -> bool:
    pool = pool_of(board)
    return bool(pool.get_idle_size() == pool.get_size())


async def test_an_assignment_wakes_a_waiting_agent_and_nobody_else(board):
    task = await board.task()
    mine, other = await waiting(board, "engineer"), await waiting(board, "writer", wait=1)
    started = time.monotonic()
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": ["engineer"]})
    assert answer.status_code == 200
    got = await mine
    assert time.monotonic() - started < WAIT / 2
    assert (got.status_code, got.json()["task"]["id"]) == (200, task["id"])
    assert (await other).status_code == 204


async def test_each_agent_is_shown_exactly_its_own_work(board):
    await move(board, await board.task(title="begun", assignee_slugs=["engineer"]), "in_progress")
    await board.task(title="given", assignee_slugs=["engineer-2"], priority=1)
    await board.task(title="loose")
    await move(board, await board.task(title="ready", assignee_slugs=["writer"]), "in_progress", "review")
    await move(board, await board.task(title="stopped", assignee_slugs=["writer"]), "blocked")
    expected: dict[str, list] = {
        "engineer": [("in_progress", "begun")],
        "engineer-2": [("assigned", "given")],
        "writer": [],
        "reviewer": [("review_wanted", "ready")],
        "orchestrator": [("unassigned", "loose")],
    }
    assert {who: await shown(board, who) for who in expected} == expected


async def test_work_that_was_begun_comes_first_then_priority_then_age(board):
    for title, priority, begun in (("old", 3, False), ("new", 3, False), ("urgent", 1, False), ("begun", 5, True)):
        task = await board.task(title=title, priority=priority, assignee_slugs=["engineer"])
        if begun:
            await move(board, task, "in_progress")
    for title in ("begun", "urgent", "old", "new"):
        reason, found = (await shown(board, "engineer"))[0]
        assert (found, reason) == (title, "in_progress" if title == "begun" else "assigned")
        tasks = (await board.person.get("/api/v1/tasks")).json()["items"]
        await move(board, next(one for one in tasks if one["title"] == title), "archived")


async def test_a_reviewer_is_not_shown_what_it_worked_on_and_the_orchestrator_is(board):
    task = await board.task(assignee_slugs=["reviewer"])
    fence = await board.claim("reviewer", task["id"])
    body = {"task_id": task["id"], "status": "review", "fence": fence}
    assert (await board.as_("reviewer").post("/agent/task-status", json=body)).status_code == 200
    assert await shown(board, "reviewer") == []
    assert await shown(board, "orchestrator") == [("review_wanted", "A task")]


async def test_without_reviewers_reviews_are_the_orchestrators(board):
    await board.person.patch(f"/api/v1/agents/{await board.agent_id('reviewer')}", json={"flags": {"is_reviewer": False}})
    await move(board, await board.task(assignee_slugs=["engineer"]), "in_progress", "review")
    assert (await shown(board, "reviewer"), await shown(board, "orchestrator")) == ([], [("review_wanted", "A task")])


async def test_what_stands_still_is_shown_to_the_orchestrator_after_a_while(board, admin):
    await move(board, await board.task(assignee_slugs=["engineer"]), "blocked")
    assert await shown(board, "orchestrator") == []
    await admin.execute("UPDATE tasks SET updated_at = updated_at - interval '20 minutes'")
    assert await shown(board, "orchestrator") == [("stuck", "A task")]


async def test_looking_claims_nothing(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await taken(board, "engineer")
    before = await admin.fetchval("SELECT count(*) FROM events")
    answers = [(await look(board, "engineer")).json() for _ in range(3)]
    assert {one["task"]["id"] for one in answers} == {task["id"]}
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json() == task
    assert await admin.fetchval("SELECT count(*) FROM events") == before


async def test_what_is_not_acknowledged_is_offered_again_after_a_minute(board, admin):
    await board.task(assignee_slugs=["engineer"])
    first = (await look(board, "engineer")).json()
    assert (first["kind"], first["notification"]["type"]) == ("notification", "assignment")
    assert (await look(board, "engineer")).json()["kind"] == "task"
    await admin.execute("UPDATE notifications SET offered_at = offered_at - interval '61 seconds'")
    assert (await look(board, "engineer")).json()["ack"] == first["ack"]
    await look(board, "engineer", ack=(first["ack"],))
    await admin.execute("UPDATE notifications SET offered_at = offered_at - interval '61 seconds'")
    assert (await look(board, "engineer")).json()["kind"] == "task"


async def test_nobody_acknowledges_for_another(board, admin):
    await board.task(assignee_slugs=["engineer"])
    first = (await look(board, "engineer")).json()
    await look(board, "writer", ack=(first["ack"],))
    await admin.execute("UPDATE notifications SET offered_at = offered_at - interval '61 seconds'")
    assert (await look(board, "engineer")).json()["ack"] == first["ack"]


async def test_an_agent_that_is_pushed_to_is_shown_tasks_only(urls):
    async with boards.opened(urls[1], gateway_url="http://127.0.0.1:9") as board:
        await board.task(assignee_slugs=["engineer"])
        work = (await look(board, "engineer")).json()
        assert (work["kind"], work["ack"]) == ("task", None)


async def test_the_same_answer_is_not_sent_twice_to_who_names_it(board):
    await board.task(assignee_slugs=["engineer"])
    await taken(board, "engineer")
    first = await board.as_("engineer").get("/agent/next?wait=0")
    known = {"If-None-Match": first.headers["ETag"]}
    again = await board.as_("engineer").get("/agent/next?wait=0", headers=known)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    await board.task(title="More", priority=1, assignee_slugs=["engineer"])
    changed = await board.as_("engineer").get("/agent/next?wait=0", headers=known)
    assert (changed.status_code, changed.json()["task"]["title"]) == (200, "More")


async def test_nothing_has_an_etag_too(board):
    first = await board.as_("writer").get("/agent/next?wait=0")
    again = await board.as_("writer").get("/agent/next?wait=0", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (204, 304)


async def test_who_waits_holds_no_connection(board):
    calls = [await waiting(board, who) for who in ("engineer", "engineer-2", "writer", "reviewer")]
    assert is_idle(board)
    assert not any(call.done() for call in calls)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)

    async def have_left() -> bool:
        return waiters(board) == 0

    await make.until(have_left)


async def test_two_hundred_wait_and_all_are_woken(board):
    calls = [asyncio.create_task(look(board, "engineer", wait=WAIT)) for _ in range(200)]

    async def all_wait() -> bool:
        return waiters(board) == 200 and is_idle(board)

    await make.until(all_wait)
    assert (await board.person.get("/api/v1/tasks")).status_code == 200
    task = await board.task(assignee_slugs=["engineer"])
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["task"]["id"] for answer in answers} == {task["id"]}


@pytest.mark.parametrize("how", ["revoked", "retired"])
async def test_waiting_ends_when_the_caller_is_no_longer_let_in(board, how):
    agent = await board.agent_id("writer")
    tokens = (await board.person.get("/api/v1/tokens")).json()["items"]
    call = await waiting(board, "writer")
    if how == "revoked":
        mine = next(one for one in tokens if one["principal_id"] == agent)
        assert (await board.person.delete(f"/api/v1/tokens/{mine['id']}")).status_code == 204
    else:
        assert (await board.person.patch(f"/api/v1/agents/{agent}", json={"retired": True})).status_code == 200
    answer = await asyncio.wait_for(call, WAIT / 2)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


async def test_a_wait_is_cut_to_what_is_allowed(board):
    answer = await board.as_("writer").post("/agent/next", json={"wait": -1})
    assert answer.status_code == 422
    assert (await board.as_("writer").get("/agent/next?wait=x")).status_code == 422
