"""Tokens that are bound to a session: they end with it."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests import boards

TOKENS = "/api/v1/tokens"


async def move(board, task: dict[str, Any], status: str) -> None:
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status})
    assert answer.status_code == 200, answer.text


async def session(board, slug: str, task: dict[str, Any] | None = None) -> str:
    """The id of the agent's open session on the task, or of its own."""
    found = (await board.person.get(f"/api/v1/agents/{await board.agent_id(slug)}/sessions")).json()["items"]
    wanted = task and task["id"]
    return next(str(one["id"]) for one in found if one["task_id"] == wanted and one["closed_at"] is None)


async def ask(board, **fields: Any):
    return await board.person.post(TOKENS, json={"name": "run"} | fields)


async def bound(board, slug: str, session_id: str):
    """A client whose token is bound to the session."""
    answer = await ask(board, agent_slug=slug, session_id=session_id)
    assert answer.status_code == 201, answer.text
    assert answer.json()["session_id"] == session_id
    return board.client(answer.json()["token"])


async def call(client, **headers: str) -> str:
    """`in`, or why not."""
    answer = await client.post("/agent/next", json={"wait": 0}, headers=headers)
    if answer.status_code in (200, 204):
        return "in"
    assert answer.status_code == 401
    error = answer.json()["error"]
    return str(error["details"].get("reason", error["code"]))


async def test_a_bound_token_works_while_its_session_is_open_and_not_a_call_longer(board):
    task = await board.task(assignee_slugs=["engineer"])
    client = await bound(board, "engineer", await session(board, "engineer", task))
    for _ in range(3):
        assert await call(client) == "in"
    await move(board, task, "archived")
    assert await call(client) == "unauthenticated"
    assert await call(board.as_("engineer")) == "in"
    await board.person.post(f"/api/v1/tasks/{task['id']}/restore", json={})
    assert await call(client) == "unauthenticated"


async def test_in_another_process_it_ends_at_once_too(board, urls):
    task = await board.task(assignee_slugs=["engineer"])
    client = await bound(board, "engineer", await session(board, "engineer", task))
    # A second application on the same database, as another process would be.
    async with boards.opened(urls[1], account_slug="elsewhere") as second:
        there = second.client(client.headers["Authorization"].removeprefix("Bearer "))
        assert await call(there) == "in"
        await move(board, task, "archived")
        assert await call(there) == "unauthenticated"


async def test_a_wait_of_a_bound_token_ends_with_its_session(board):
    task = await board.task(assignee_slugs=["engineer"])
    client = await bound(board, "engineer", await session(board, "engineer", task))
    while (work := await client.get("/agent/next?wait=0")).json()["kind"] != "task":
        pass
    known = {"If-None-Match": work.headers["ETag"]}
    waiting = asyncio.create_task(client.get("/agent/next?wait=50", headers=known))
    await asyncio.sleep(0.05)
    await move(board, task, "archived")
    assert (await asyncio.wait_for(waiting, 25)).status_code == 401


async def test_it_ends_when_the_task_is_reopened_and_when_the_agent_retires(board):
    task = await board.task(assignee_slugs=["engineer"])
    on_task = await bound(board, "engineer", await session(board, "engineer", task))
    of_its_own = await bound(board, "engineer", await session(board, "engineer"))
    for status in ("in_progress", "review", "done"):
        await move(board, task, status)
    assert (await call(on_task), await call(of_its_own)) == ("in", "in")
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/reopen", json={})
    assert answer.status_code == 200, answer.text
    assert (await call(on_task), await call(of_its_own)) == ("unauthenticated", "in")
    agent = f"/api/v1/agents/{await board.agent_id('engineer')}"
    assert (await board.person.patch(agent, json={"retired": True})).status_code == 200
    assert await call(of_its_own) == "unauthenticated"
    # Back on duty it has a new session, and the old token stays dead.
    assert (await board.person.patch(agent, json={"retired": False})).status_code == 200
    assert await call(of_its_own) == "unauthenticated"
    assert await call(await bound(board, "engineer", await session(board, "engineer"))) == "in"


@pytest.mark.parametrize("whose", ["another's", "closed", "absent", "another account's", "a person"])
async def test_only_an_open_session_of_the_same_agent_can_be_bound(board, urls, admin, whose):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    wanted: dict[str, Any] = {"agent_slug": "engineer", "session_id": await session(board, "engineer", task)}
    match whose:
        case "another's":
            wanted["session_id"] = await session(board, "writer", task)
        case "closed":
            await move(board, task, "archived")
        case "absent":
            wanted["session_id"] = str(uuid4())
        case "another account's":
            async with boards.opened(urls[1], account_slug="other") as other:
                wanted["session_id"] = await session(other, "engineer")
        case "a person":
            wanted = {"email": boards.OWNER, "session_id": wanted["session_id"]}
    count = await admin.fetchval("SELECT count(*) FROM api_tokens")
    answer = await ask(board, **wanted)
    fields = [{"field": "session_id", "message": "is no open session of this agent"}]
    assert (answer.status_code, answer.json()["error"]["details"]) == (422, {"fields": fields})
    assert await admin.fetchval("SELECT count(*) FROM api_tokens") == count


async def test_a_bound_token_goes_on_with_no_other_session(board, admin):
    one, other = [await board.task(assignee_slugs=["engineer"]) for _ in range(2)]
    keys = {str(row["id"]): row["key"] for row in await admin.fetch("SELECT id, key FROM agent_sessions")}
    mine, second = [await session(board, "engineer", task) for task in (one, other)]
    client = await bound(board, "engineer", mine)
    assert await call(client, **{"X-Session-Key": keys[mine]}) == "in"
    assert await call(client, **{"X-Session-Key": keys[second]}) == "session_unknown"
    assert await call(board.as_("engineer"), **{"X-Session-Key": keys[second]}) == "in"


async def test_tokens_are_listed_with_the_session_that_they_are_bound_to(board):
    session_id = await session(board, "engineer")
    await bound(board, "engineer", session_id)
    items = (await board.person.get(TOKENS)).json()["items"]
    assert [one["session_id"] for one in items if one["session_id"]] == [session_id]
    assert all(one["token"] is None for one in items)
