"""Asking agents for an answer on a task."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from tests import boards, gateways
from tests.boards import OWNER
from tests.policies import desk

OF_REQUESTS = """
SELECT n.id::text, a.slug, n.title, n.body, n.state, n.actor_kind, n.reason
FROM notifications n JOIN agents a ON a.id = n.recipient_id WHERE n.type = 'response_request' ORDER BY a.slug DESC, n.id
"""
BACK = """
UPDATE notifications SET created_at = created_at - $1::interval, ended_at = ended_at - $1::interval
WHERE type = 'response_request'
"""


async def ask(board, who: str, task: dict[str, Any], *slugs: str, message: str = "Is it ready?", **fields: Any):
    body = {"recipient_slugs": list(slugs), "message": message} | fields
    if "@" in who:
        return await board.as_(who).post(f"/api/v1/tasks/{task['id']}/response-requests", json=body)
    return await board.as_(who).post("/agent/response-request", json={"task_id": task["id"]} | body)


async def outcome(board, who: str, task: dict[str, Any], *slugs: str) -> tuple[list[str], dict[str, str]]:
    """Who was asked, and who was not and why."""
    answer = await ask(board, who, task, *slugs)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [one["slug"] for one in body["created"]], {one["slug"]: one["reason"] for one in body["suppressed"]}


async def requests(admin) -> list[dict[str, Any]]:
    return [dict(row) for row in await admin.fetch(OF_REQUESTS)]


async def passed(admin, hours: float) -> None:
    await admin.execute(BACK, timedelta(hours=hours))


async def say(board, who: str, task: dict[str, Any], content: str = "Here it is.", **fields: Any) -> None:
    answer = await board.as_(who).post("/agent/task-message", json={"task_id": task["id"], "content": content} | fields)
    assert answer.status_code == 201, answer.text


async def acknowledge(board, who: str, notification_id: str) -> None:
    """The agent says that it has heard of it."""
    await board.as_(who).post("/agent/next", json={"wait": 0, "ack": [notification_id]})


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


async def test_who_may_ask(board, admin):
    task = await board.task(assignee_slugs=["engineer"])

    async def refused(who: str) -> tuple[int, str]:
        answer = await ask(board, who, task, "reviewer")
        return answer.status_code, answer.json()["error"]["details"]["reason"]

    assert await refused("writer") == (403, "not_assigned")
    await desk.flags(board, "engineer", can_mention_agents=False)
    assert await refused("engineer") == (403, "capability_denied")
    assert await refused(await desk.person(board, admin, "viewer")) == (403, "role_denied")
    assert await requests(admin) == []
    # No lease is needed, and the orchestrator asks everywhere.
    assert await outcome(board, "orchestrator", task, "engineer") == (["engineer"], {})
    assert await outcome(board, await desk.person(board, admin, "member"), task, "engineer") == (["engineer"], {})


BAD: list[tuple[dict[str, Any], str]] = [
    ({"recipient_slugs": []}, "recipient_slugs"),
    ({"recipient_slugs": ["writer"] * 11}, "recipient_slugs"),
    ({"recipient_slugs": ["nobody"]}, "recipient_slugs"),
    ({"recipient_slugs": ["writer", "owner"]}, "recipient_slugs"),
    ({"recipient_slugs": ["@"]}, "recipient_slugs"),
    ({"recipient_slugs": [""]}, "recipient_slugs[0]"),
    ({"recipient_slugs": ["x" * 65]}, "recipient_slugs[0]"),
    ({"recipient_slugs": ["wri\x00ter"]}, "recipient_slugs[0]"),
    ({"recipient_slugs": "writer"}, "recipient_slugs"),
    ({"message": ""}, "message"),
    ({"message": " \n\t"}, "message"),
    ({"message": "x" * 1001}, "message"),
    ({"message": "a\x00b"}, "message"),
    ({"message": None}, "message"),
    ({"actor_id": "1"}, "actor_id"),
]


async def test_bad_requests_are_refused_with_their_field(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    for fields, field in BAD:
        for who in ("engineer", OWNER):
            answer = await ask(board, who, task, "writer", **fields)
            assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, field), fields
    assert await requests(admin) == []


async def test_nobody_asks_themselves_nor_a_retired_agent(board, admin):
    # One that retires stays among the assignees.
    task = await board.task(assignee_slugs=["engineer", "writer"])
    answer = await board.person.patch(f"/api/v1/agents/{await board.agent_id('writer')}", json={"retired": True})
    assert answer.status_code == 200, answer.text
    for slugs in (("reviewer", "Engineer"), ("writer",)):
        answer = await ask(board, "engineer", task, *slugs)
        assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, "recipient_slugs")
    assert await requests(admin) == []


async def test_the_longest_request_is_delivered_whole(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    text = "я" * 1000
    assert (await ask(board, "engineer", task, "writer", message=text)).status_code == 200
    assert (await requests(admin))[0]["body"] == text


async def test_a_task_or_agent_of_another_account_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        task, foreign = await mine.task(assignee_slugs=["engineer"]), await theirs.task()
        answer = await theirs.person.post("/api/v1/agents", json={"slug": "stranger", "name": "S", "role": "R"})
        assert answer.status_code == 201
        absent = {"id": "00000000-0000-7000-8000-000000000000"}
        for who in ("orchestrator", OWNER):
            seen, unseen = [await ask(mine, who, one, "writer") for one in (foreign, absent)]
            assert (seen.status_code, unseen.status_code) == (404, 404)
            assert seen.json()["error"]["message"].replace(foreign["id"], absent["id"]) == unseen.json()["error"]["message"]
            answer = await ask(mine, who, task, "stranger")
            assert (answer.status_code, answer.json()["error"]["message"]) == (
                422,
                "recipient_slugs: no active agent is called stranger",
            )


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
