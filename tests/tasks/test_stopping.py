"""Stopping a task: who may, from where, what it leaves, and that a repetition does nothing."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.messages import rules as messages
from app.tasks.rules import stopping as rules
from app.tasks.types import Illegal, Move, TaskStatus
from tests.policies.desk import person
from tests.tasks.holders import held

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


def stop(board, task, who=None, **body):
    return (who or board.person).post(f"/api/v1/tasks/{task['id']}/stop", json=body)


def say(board, task, content, who=None):
    return (who or board.person).post(f"/api/v1/tasks/{task['id']}/messages", json={"content": content})


async def shown(board, task):
    return (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()


async def move(board, task, **change):
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json=change)
    assert answer.status_code == 200, answer.text


async def thread(board, task):
    return [one["content"] for one in (await board.person.get(f"/api/v1/tasks/{task['id']}/messages")).json()["items"]]


@pytest.mark.parametrize("status", TaskStatus)
def test_only_work_that_was_handed_out_is_stopped(status):
    match rules.stop(status):
        case None:
            assert status is TaskStatus.BLOCKED
        case Illegal(allowed=allowed):
            assert status in {TaskStatus.INBOX, TaskStatus.DONE, TaskStatus.ARCHIVED}
            assert status not in allowed
        case Move(start=start, goal=goal):
            assert (start, goal) == (status, TaskStatus.BLOCKED)


@settings(max_examples=50)
@given(WORDS)
def test_an_order_is_the_first_word_of_the_whole_message_and_the_rest_its_reason(words):
    found = messages.order(f"/stop {words}")
    assert found is not None
    assert (found.name, found.words) == ("stop", words.strip())


@settings(max_examples=50)
@given(WORDS)
def test_what_does_not_begin_with_the_name_of_an_order_is_a_message(words):
    found = messages.order(words)
    assert found is None or words.lstrip(" ").lower().startswith("/stop")


@pytest.mark.parametrize("content", ["/stop", "/STOP", " /stop", "/stop\n", "/Stop\nat once", "   /stop now"])
def test_a_person_in_a_hurry_is_understood(content):
    assert messages.order(content) is not None


@pytest.mark.parametrize(
    "content",
    [
        "please /stop",
        "    /stop",
        "\t/stop",
        "`/stop`",
        "> /stop",
        "```\n/stop\n```",
        "/stopping",
        "/stop!",
        "/go",
        "/",
        "//stop",
        "x\n/stop",
    ],
)
def test_code_quotes_and_other_words_are_messages(content):
    assert messages.order(content) is None


async def test_a_stop_blocks_ends_the_lease_and_is_told_once(board, admin):
    task, fence = await held(board)
    await admin.execute("DELETE FROM notifications")
    said = await say(board, task, "/stop  wrong branch")
    assert said.status_code == 201, said.text
    stopped = said.json()["stopped"]
    assert (stopped["status"], stopped["already_blocked"]) == ("blocked", False)
    now = await shown(board, task)
    assert (now["status"], now["blocked_reason"], now["lease_agent_id"]) == ("blocked", "wrong branch", None)
    left = (await board.person.get(f"/api/v1/tasks/{task['id']}/handoffs")).json()["items"][0]
    assert (left["kind"], left["summary"], left["author_kind"]) == ("block", "wrong branch", "person")
    assert await thread(board, task) == ["/stop  wrong branch"]
    for path, more in (("task-heartbeat", {}), ("task-status", {"status": "review"}), ("task-update", {"title": "x"})):
        late = await board.as_("engineer").post(f"/agent/{path}", json={"task_id": task["id"], "fence": fence} | more)
        assert (late.status_code, late.json()["error"]["code"]) == (409, "lease_lost"), late.text
    again = await say(board, task, "/stop again")
    assert (again.status_code, again.json()["already_blocked"]) == (200, True)
    assert (again.json()["blocked_reason"], again.json()["version"]) == ("wrong branch", now["version"])
    assert (await stop(board, task)).json() == again.json()
    assert await thread(board, task) == ["/stop  wrong branch"]
    kinds = "SELECT count(*) FROM events WHERE type = 'board:task:stopped'"
    assert await admin.fetchval(kinds) == 1
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE recipient_kind = 'agent'") == 0


async def test_the_same_key_gives_the_same_answer_and_no_second_message(board):
    task, path = await board.task(assignee_slugs=["engineer"]), "/api/v1/tasks/{}/messages"
    board.person.headers["Idempotency-Key"] = "k"
    first, again = [await say(board, task, "/stop") for _ in range(2)]
    del board.person.headers["Idempotency-Key"]
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert await thread(board, task) == ["/stop"]
    described = (await board.client(None).get("/schema/openapi.json")).json()["paths"][path.format("{task_id}")]["post"]
    views = {code: one["content"]["application/json"]["schema"] for code, one in described["responses"].items() if code[0] == "2"}
    assert {code: view["$ref"].rpartition("/")[2] for code, view in views.items()} == {"200": "StoppedView", "201": "SaidView"}


async def test_members_stop_and_viewers_do_not_by_whatever_way(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    viewer, member = [await person(board, admin, role) for role in ("viewer", "member")]
    by_viewer = [await stop(board, task, board.as_(viewer)), await say(board, task, "/stop", board.as_(viewer))]
    assert {answer.status_code for answer in by_viewer} == {403}
    assert (await shown(board, task))["status"] == "assigned"
    by_member = await say(board, task, "/stop", board.as_(member))
    assert (by_member.status_code, by_member.json()["stopped"]["dropped_notifications"] != []) == (201, True)
    assert (await shown(board, task))["blocked_reason"].endswith("stopped it.")
    people = {row["type"] for row in await admin.fetch("SELECT type FROM notifications WHERE recipient_kind = 'person'")}
    assert "status_change" in people


async def test_from_every_state_it_blocks_or_is_refused_without_a_trace(board, admin):
    task = await board.task()
    for state in ("inbox", "done", "archived"):
        if state != "inbox":
            await admin.execute("UPDATE tasks SET status = $1, blocked_reason = NULL", state)
        before = await admin.fetchval("SELECT last_seq FROM event_counters")
        for refused in (await stop(board, task), await say(board, task, "/stop now")):
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (409, "invalid_transition"), refused.text
            assert error["details"]["allowed"] == ["assigned", "in_progress", "review"]
        assert await admin.fetchval("SELECT last_seq FROM event_counters") == before
    task = await board.task(assignee_slugs=["engineer"])
    for state in ("assigned", "in_progress", "review"):
        await admin.execute("UPDATE tasks SET status = $1, blocked_reason = NULL WHERE status <> 'archived'", state)
        stopped = (await stop(board, task, reason=f"from {state}")).json()
        assert (stopped["status"], stopped["blocked_reason"], stopped["already_blocked"]) == ("blocked", f"from {state}", False)
    for wrong in ({"reason": ""}, {"reason": 7}, {"why": "x"}, {"reason": "x" * 2001}):
        assert (await stop(board, task, **wrong)).status_code == 422
    assert (await stop(board, {"id": "nothing"})).status_code == 404
    assert (await say(board, await board.task(assignee_slugs=["engineer"]), "/stop " + "x" * 5000)).status_code == 201


async def test_what_an_agent_writes_is_no_order_and_only_the_orchestrator_has_the_verb(board):
    task, fence = await held(board)
    for who in ("engineer", "orchestrator"):
        said = await board.as_(who).post("/agent/task-message", json={"task_id": task["id"], "content": "/stop now"})
        assert said.status_code == 201, said.text
    assert (await shown(board, task))["status"] == "in_progress"
    mine = await board.as_("engineer").post("/agent/task-stop", json={"task_id": task["id"]})
    assert (mine.status_code, mine.json()["error"]["details"]["reason"]) == (403, "orchestrator_required")
    by_leader = await board.as_("orchestrator").post("/agent/task-stop", json={"task_id": task["id"], "reason": "in circles"})
    assert (by_leader.status_code, by_leader.json()["status"]) == (200, "blocked"), by_leader.text
    late = await board.as_("engineer").post("/agent/task-heartbeat", json={"task_id": task["id"], "fence": fence})
    assert late.json()["error"]["code"] == "lease_lost"


async def test_a_review_is_stopped_too_and_many_who_stop_at_once_stop_once(board, admin):
    task, fence = await held(board)
    change = {"task_id": task["id"], "status": "review", "fence": fence}
    assert (await board.as_("engineer").post("/agent/task-status", json=change)).status_code == 200
    lease = await board.claim("reviewer", task["id"])
    answers = await asyncio.gather(*(say(board, task, f"/stop {number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len(await thread(board, task)) == 1
    late = await board.as_("reviewer").post("/agent/task-status", json=change | {"status": "done", "fence": lease})
    assert late.json()["error"]["code"] == "lease_lost"
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'board:task:stopped'") == 1
    await move(board, task, status="in_progress")
    woken = "SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND state = 'queued'"
    assert await admin.fetchval(woken) > 0
