"""Asking agents for an answer on a task."""

import asyncio
import json

import pytest

from tests import boards, gateways
from tests.boards import OWNER
from tests.messages.asking import acknowledge, ask, outcome, passed, requests, say


@pytest.mark.parametrize("who", ["engineer", OWNER])
async def test_each_named_agent_is_told_once_and_may_answer(board, admin, who):
    task = await board.task(title="Repair the lamp", assignee_slugs=["engineer"])
    answer = await ask(board, who, task, "@Writer ", "reviewer", "WRITER", message="Which lamp?")
    assert answer.status_code == 200, answer.text
    told = await requests(admin)
    assert answer.json() == {
        "created": [{"slug": one["slug"], "notification_id": one["id"]} for one in told],
        "suppressed": [],
    }
    assert [one["slug"] for one in told] == ["writer", "reviewer"]
    assert {(one["body"], one["state"], one["reason"]) for one in told} == {("Which lamp?", "queued", "asked")}
    assert all(one["title"].endswith("asks for your answer: Repair the lamp") for one in told)
    shown = (await board.as_("writer").post("/agent/next", json={"wait": 0})).json()
    assert (shown["notification"]["type"], shown["notification"]["body"]) == ("response_request", "Which lamp?")
    # It follows the task now, so it may answer, with the notification named or not.
    await say(board, "writer", task, notification_id=shown["ack"])
    await say(board, "reviewer", task)


async def test_the_log_says_who_was_asked_and_not_what(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await ask(board, "engineer", task, "writer", message="A secret question.")
    row = await admin.fetchrow("SELECT entity_id::text, payload::text FROM events WHERE type = 'board:task:response_requested'")
    payload = json.loads(row["payload"])
    assert (row["entity_id"], payload["length"], payload["rule"]) == (task["id"], 18, "assignee")
    assert payload["recipients"] == [await board.agent_id("writer")]
    assert "secret" not in row["payload"]
    # A task's version counts its own changes.
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["version"] == task["version"]


async def test_who_was_asked_is_asked_again_only_after_an_answer(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    assert await outcome(board, "engineer", task, "writer") == (["writer"], {})
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": "undelivered"})
    # Words of others are no answer.
    await say(board, "engineer", task, "Somebody?")
    assert await outcome(board, "engineer", task, "writer", "reviewer") == (["reviewer"], {"writer": "undelivered"})
    (first, *_) = await requests(admin)
    await acknowledge(board, "writer", first["id"])
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": "unanswered"})
    await say(board, "writer", task)
    assert await outcome(board, "engineer", task, "writer", "reviewer") == (["writer"], {"reviewer": "undelivered"})
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": "undelivered"})


async def test_nothing_is_written_when_everybody_was_asked_before(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await ask(board, "engineer", task, "writer")
    before = await admin.fetchval("SELECT count(*) FROM events")
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": "undelivered"})
    assert await admin.fetchval("SELECT count(*) FROM events") == before


@pytest.mark.parametrize("is_delivered", [True, False])
async def test_four_hours_later_they_are_asked_again(board, admin, is_delivered):
    task = await board.task(assignee_slugs=["engineer"])
    await ask(board, "engineer", task, "writer")
    if is_delivered:
        await acknowledge(board, "writer", (await requests(admin))[0]["id"])
    await passed(admin, 3.99)
    reason = "unanswered" if is_delivered else "undelivered"
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": reason})
    await passed(admin, 0.02)
    assert await outcome(board, "engineer", task, "writer") == (["writer"], {})
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": "undelivered"})


async def test_the_four_hours_begin_when_the_request_arrived(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await ask(board, "engineer", task, "writer")
    await passed(admin, 3)
    await acknowledge(board, "writer", (await requests(admin))[0]["id"])
    await passed(admin, 2)
    assert await outcome(board, "engineer", task, "writer") == ([], {"writer": "unanswered"})


async def test_another_asker_and_another_task_are_questions_of_their_own(board):
    task, other = await board.task(assignee_slugs=["engineer", "reviewer"]), await board.task(assignee_slugs=["engineer"])
    for who, where in (("engineer", task), ("reviewer", task), ("engineer", other), (OWNER, task)):
        assert await outcome(board, who, where, "writer") == (["writer"], {})
        assert await outcome(board, who, where, "writer") == ([], {"writer": "undelivered"})


async def test_of_requests_that_come_at_once_one_is_made(board, admin):
    task, slugs = await board.task(assignee_slugs=["engineer"]), ("writer", "reviewer", "orchestrator")
    # In the first round the sessions that are opened keep the others off, and connections are still made.
    for number in range(1, 5):
        answers = await asyncio.gather(*(ask(board, "engineer", task, *slugs) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert sorted(len(answer.json()["created"]) for answer in answers) == [0] * 7 + [3]
        assert len(await requests(admin)) == 3 * number
        for slug in slugs:
            await say(board, slug, task)


async def test_a_repetition_with_the_same_key_gives_the_first_answer(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    body = {"task_id": task["id"], "recipient_slugs": ["writer"], "message": "?"}
    call = lambda: board.as_("engineer").post("/agent/response-request", json=body, headers={"Idempotency-Key": "k"})  # noqa: E731
    first, second = await call(), await call()
    assert first.json() == second.json()
    assert len(second.json()["created"]) == 1
    assert len(await requests(admin)) == 1


async def test_a_name_in_the_text_alone_asks_nobody(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await ask(board, "engineer", task, "reviewer", message="Ask @writer too.")
    assert [one["slug"] for one in await requests(admin)] == ["reviewer"]
    writer = await board.agent_id("writer")
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE recipient_id::text = $1", writer) == 0


async def test_the_longest_request_is_delivered_whole(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    text = "я" * 1000
    assert (await ask(board, "engineer", task, "writer", message=text)).status_code == 200
    assert (await requests(admin))[0]["body"] == text


async def test_a_gateway_agent_is_woken_with_the_question_and_its_words_are_the_answer(urls, admin):
    async with (
        gateways.opened() as gateway,
        boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as board,
        gateways.working(board.settings),
    ):
        task = await board.task(assignee_slugs=["engineer"])
        await gateways.settled(admin)
        gateway.script = [gateways.says("The blue one.")]
        assert (await ask(board, OWNER, task, "writer", message="Which lamp?")).status_code == 200
        await gateways.settled(admin)
        (asked,) = gateway.of("writer")
        assert "Which lamp?" in asked.decoded["input"]
        assert [message["content"] for message in await gateways.thread(board, task["id"])] == ["The blue one."]
        ((state, reason),) = [(one["state"], one["reason"]) for one in await requests(admin)]
        assert (state, reason) == ("delivered", "asked")
        assert await outcome(board, OWNER, task, "writer") == (["writer"], {})
