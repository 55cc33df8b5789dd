"""Session keys: who gets one, which are refused and how, and what opens and closes a session."""

import asyncio
import json
from uuid import UUID

import pytest

from app.agents import sessions
from app.kernel.errors import Unauthenticated
from app.kernel.types import ActorKind, Principal
from tests import boards, make
from tests.agents.desk import back, call, key_of, listed, move

UNKNOWN = (401, "unauthenticated", "session_unknown")
OK = (200, None, None)


def outcome(answer) -> tuple[int, str | None, str | None]:
    error = answer.json().get("error") if answer.content else None
    return answer.status_code, error and error["code"], error and error["details"].get("reason")


async def test_an_agent_is_handed_the_key_of_its_own_session_on_the_task(board, admin):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    mine, other = await key_of(board, "engineer", task), await key_of(board, "writer", task)
    assert mine is not None
    assert mine.startswith(sessions.KEY_PREFIX)
    assert mine != other
    assert await key_of(board, "reviewer", task) is None
    work = [(await board.as_("engineer").post("/agent/next", json={"wait": 0})).json() for _ in range(2)]
    assert [(one["kind"], one["session_key"]) for one in work] == [("notification", mine), ("task", mine)]
    assert outcome(await call(board, "engineer", mine, task)) == OK


async def test_a_key_that_is_no_open_session_of_the_caller_is_refused_on_every_route(board):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    foreign = await key_of(board, "writer", task)
    engineer, body = board.as_("engineer"), {"task_id": task["id"]}
    for key in (foreign, "cbs_unknown", "x" * 10_000, ""):
        headers = {"X-Session-Key": key}
        answers = [
            await engineer.post("/agent/task-load", json=body, headers=headers),
            await engineer.post("/agent/task-status", json=body | {"status": "in_progress"}, headers=headers),
            await engineer.post("/agent/task-message", json=body | {"content": "hi"}, headers=headers),
            await engineer.post("/agent/next", json={"wait": 0}, headers=headers),
            await engineer.get("/agent/next?wait=0", headers=headers),
        ]
        assert {outcome(answer) for answer in answers} == {UNKNOWN}, key
    after = (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()
    assert [after[name] for name in ("status", "version", "last_message_at")] == ["assigned", task["version"], None]


@pytest.mark.parametrize("key", ["\x00", "cbs_\x00", "cbs_é", "cbs_\ud800"])
async def test_a_key_that_no_database_could_hold_is_unknown_too(board, key):
    me = Principal(kind=ActorKind.AGENT, id=UUID(await board.agent_id("engineer")), account_id=board.account_id, name="E")
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        with pytest.raises(Unauthenticated, match="no open session"):
            await sessions.continued(tx, me, key)


async def test_foreign_closed_and_unknown_keys_get_the_same_words(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        task, closing = await mine.task(), await mine.task(assignee_slugs=["engineer"])
        hidden = await theirs.task(assignee_slugs=["engineer"])
        keys = {
            "unknown": "cbs_" + "a" * 32,
            "another account's": await key_of(theirs, "engineer", hidden),
            "another agent's": await key_of(mine, "orchestrator", task),
            "closed": await key_of(mine, "engineer", closing),
        }
        assert all(keys.values())
        await move(mine, closing, "archived")
        fixed = {"X-Request-ID": "one", "X-Correlation-ID": "two"}
        answers = {name: await call(mine, "engineer", key, task, **fixed) for name, key in keys.items()}
        assert {name: outcome(answer) for name, answer in answers.items()} == dict.fromkeys(keys, UNKNOWN)
        assert len({answer.text for answer in answers.values()}) == 1
        assert len({json.dumps({k: v for k, v in one.headers.items() if k != "date"}) for one in answers.values()}) == 1
        assert outcome(await call(theirs, "engineer", keys["another account's"], hidden)) == OK


async def test_the_token_decides_who_calls_whatever_the_key(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    key = await key_of(board, "engineer", task)
    assert key is not None
    answer = await board.client(None).post("/agent/task-load", json={"task_id": task["id"]}, headers={"X-Session-Key": key})
    assert outcome(answer)[:2] == (401, "unauthenticated")
    answer = await board.client(key).post("/agent/task-load", json={"task_id": task["id"]})
    assert outcome(answer)[:2] == (401, "unauthenticated")


async def test_reopening_closes_the_session_and_the_next_notification_opens_its_next_generation(board):
    task = await board.task(assignee_slugs=["engineer"])
    old = await key_of(board, "engineer", task)
    await move(board, task, "in_progress", "review", "done")
    assert outcome(await call(board, "engineer", old, task)) == OK
    await back(board, task, "reopen")
    assert outcome(await call(board, "engineer", old, task)) == UNKNOWN
    await move(board, task, "in_progress", reason="Once more.")
    new = await key_of(board, "engineer", task)
    assert new is not None
    assert new != old
    assert [outcome(await call(board, "engineer", key, task)) for key in (new, old)] == [OK, UNKNOWN]
    found = (await listed(board, "engineer"))["items"]
    assert [(one["kind"], one["generation"], one["closed_reason"]) for one in found] == [
        ("task", 2, None),
        ("task", 1, "task_reopened"),
        ("system", 1, None),
    ]


async def test_archiving_closes_and_restoring_opens_anew(board):
    task = await board.task(assignee_slugs=["engineer"])
    old = await key_of(board, "engineer", task)
    await move(board, task, "archived")
    assert (await key_of(board, "engineer", task), outcome(await call(board, "engineer", old, task))) == (None, UNKNOWN)
    await back(board, task, "restore")
    new = await key_of(board, "engineer", task)
    assert [outcome(await call(board, "engineer", key, task)) for key in (new, old)] == [OK, UNKNOWN]
    found = [(one["generation"], one["closed_reason"]) for one in (await listed(board, "engineer"))["items"] if one["task_id"]]
    assert found == [(2, None), (1, "task_archived")]


async def test_who_was_called_while_the_task_was_archived_is_let_in_anew_when_it_is_restored(board):
    task = await board.task(assignee_slugs=["engineer"])
    await move(board, task, "archived")
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "@engineer look"})
    assert answer.status_code == 201
    between = await key_of(board, "engineer", task)
    await back(board, task, "restore")
    new = await key_of(board, "engineer", task)
    assert new is not None
    assert [outcome(await call(board, "engineer", key, task)) for key in (new, between)] == [OK, UNKNOWN]


async def test_a_repetition_is_asked_for_its_session_again(board):
    task = await board.task(assignee_slugs=["engineer"])
    key = await key_of(board, "engineer", task)
    assert key is not None
    headers, body = {"X-Session-Key": key, "Idempotency-Key": "k"}, {"task_id": task["id"], "content": "hi"}
    first = await board.as_("engineer").post("/agent/task-message", json=body, headers=headers)
    again = await board.as_("engineer").post("/agent/task-message", json=body, headers=headers)
    assert (first.status_code, again.text, again.headers["Idempotent-Replayed"]) == (201, first.text, "true")
    await move(board, task, "archived")
    refused = await board.as_("engineer").post("/agent/task-message", json=body, headers=headers)
    assert outcome(refused) == UNKNOWN


async def test_a_wait_ends_when_its_session_is_closed(board):
    task = await board.task(assignee_slugs=["engineer"])
    headers = {"X-Session-Key": await key_of(board, "engineer", task) or ""}
    while (work := await board.as_("engineer").get("/agent/next?wait=0", headers=headers)).json()["kind"] != "task":
        pass
    known = {"If-None-Match": work.headers["ETag"]}
    waiting = asyncio.create_task(board.as_("engineer").get("/agent/next?wait=50", headers=headers | known))
    await asyncio.sleep(0.05)
    await move(board, task, "archived")
    assert outcome(await asyncio.wait_for(waiting, 25)) == UNKNOWN


async def test_eight_calls_at_once_open_one_session_for_each_agent(board, admin):
    task = await board.task()
    path = f"/api/v1/tasks/{task['id']}/messages"
    calls = [board.person.post(path, json={"content": f"@engineer @writer {number}"}) for number in range(8)]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {201}
    slugs = "SELECT a.slug FROM agent_sessions s JOIN agents a ON a.id = s.agent_id WHERE s.task_id = $1"
    found = [row["slug"] for row in await admin.fetch(slugs, UUID(task["id"]))]
    assert [found.count(slug) for slug in ("engineer", "writer")] == [1, 1]
