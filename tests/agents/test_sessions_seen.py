"""What people are shown of sessions, and where a key never appears."""

from typing import Any

from app.kernel import logs
from tests import boards
from tests.agents.desk import back, key_of, listed, move


async def test_people_see_sessions_with_the_end_of_the_key_only(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    key = await key_of(board, "engineer", task)
    assert key is not None
    first, system = (await listed(board, "engineer"))["items"]
    assert first | {"id": "", "opened_at": ""} == {
        "id": "",
        "kind": "task",
        "task_id": task["id"],
        "generation": 1,
        "key": f"…{key[-4:]}",
        "opened_at": "",
        "closed_at": None,
        "closed_reason": None,
        "identity_sha256": None,
        "identity_at": None,
    }
    assert (system["kind"], system["task_id"], len(system["key"])) == ("system", None, 5)


async def test_sessions_are_read_in_pages(board):
    for _ in range(4):
        await board.task(assignee_slugs=["engineer"])
    everything = (await listed(board, "engineer"))["items"]
    assert len(everything) == 5
    found: list[Any] = []
    cursor = ""
    while True:
        page = await listed(board, "engineer", f"?limit=2{cursor}")
        found += page["items"]
        assert page["limit"] == 2
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == everything
    assert (await listed(board, "engineer", "?limit=9999"))["limit"] == 200
    agent = await board.agent_id("engineer")
    assert (await board.person.get(f"/api/v1/agents/{agent}/sessions?cursor=x")).status_code == 422


async def test_sessions_of_an_absent_and_of_a_foreign_agent_are_answered_alike(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        answers = [
            await mine.person.get(f"/api/v1/agents/{agent}/sessions")
            for agent in (await theirs.agent_id("engineer"), "01a1fc83-a946-7a19-beff-ac374d084674", "x")
        ]
        assert [answer.status_code for answer in answers] == [404] * 3
        answer = await mine.as_("engineer").get(f"/api/v1/agents/{await mine.agent_id('engineer')}/sessions")
        assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "persons_only")


async def test_no_key_is_in_an_event_a_stored_answer_or_what_others_are_shown(board, admin):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    engineer = board.as_("engineer")
    headers = {"X-Session-Key": await key_of(board, "engineer", task) or "", "Idempotency-Key": "k"}
    body = {"task_id": task["id"], "content": "hi @reviewer"}
    for _ in range(2):
        await engineer.post("/agent/task-message", json=body, headers=headers)
        await engineer.post("/agent/task-load", json={"task_id": task["id"]}, headers=headers)
    await move(board, task, "in_progress", "review", "done")
    await back(board, task, "reopen")
    await move(board, task, "archived")
    keys = [row["key"] for row in await admin.fetch("SELECT key FROM agent_sessions")]
    assert len(keys) >= 8
    stored = await admin.fetchval("SELECT string_agg(payload::text || type, ' ') FROM events")
    stored += str(await admin.fetch("SELECT convert_from(answer, 'UTF8') FROM idempotency_records"))
    agent = await board.agent_id("engineer")
    for path in ("tasks", "agents", "events", "account", "people", "tokens", f"agents/{agent}", f"agents/{agent}/sessions"):
        answer = await board.person.get(f"/api/v1/{path}")
        assert answer.status_code == 200, path
        stored += answer.text
    for part in ("", "/messages", "/events"):
        stored += (await board.person.get(f"/api/v1/tasks/{task['id']}{part}")).text
    others = await board.as_("orchestrator").post("/agent/task-load", json={"task_id": task["id"]})
    stored += others.text.replace(others.json()["session_key"] or "-", "-")
    assert [key for key in keys if key in stored] == []
    assert logs.redact(f"a call with {keys[0]}, refused") == "a call with ***, refused"
