"""Agents do not put on the board what is on it already."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import ActorKind, Principal
from app.tasks import duplicates
from tests import boards, make
from tests.tasks.test_search import filled


async def create(board, title: str, *, by: str = "orchestrator", **fields: Any):
    return await board.as_(by).post("/agent/task-create", json={"title": title} | fields)


async def candidates(board, title: str) -> list[dict[str, Any]]:
    answer = await create(board, title)
    assert answer.status_code == 409, answer.text
    assert answer.json()["error"]["code"] == "possible_duplicate"
    listed: list[dict[str, Any]] = answer.json()["error"]["details"]["candidates"]
    return listed


async def finish(board, task) -> None:
    for status in ("in_progress", "review", "done"):
        answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status})
        assert answer.status_code == 200, answer.text


async def test_an_agent_is_shown_the_open_task_with_nearly_the_same_title(board, admin):
    task = await board.task(title="Fix the login page", assignee_slugs=["engineer"])
    before = await admin.fetchval("SELECT count(*) FROM events")
    assert await candidates(board, "fix login page!") == [
        {"id": task["id"], "title": "Fix the login page", "status": "assigned", "similarity": 0.79}
    ]
    assert await admin.fetchval("SELECT count(*) FROM tasks") == 1
    assert await admin.fetchval("SELECT count(*) FROM events") == before


PAIRS = [
    ("Fix the login page", "Fix the login page", 409),
    ("Fix the login page", "FIX: the login-page", 409),
    ("Fix flaky test in CI", "Fix the flaky tests in CI", 409),
    ("Login button is broken", "The login button is broken on mobile", 409),
    ("Write tests for the parser", "Write tests for the renderer", 201),
    ("Add dark mode", "Implement dark mode", 201),
    ("Fix it", "Fix, fix, fix, fix it!", 409),
    ("a", "A?", 409),
    ("word " * 400, "word " * 399, 409),
    ("Fix the login page", "Paint the fence", 201),
    ("???", "???", 409),
    ("???", "!!!", 201),
    ("修复登录页面", "修复登录页面", 409),
    ("修复登录页面", "写测试", 201),
]


async def test_titles_are_close_when_most_of_their_trigrams_are_the_same(board, admin):
    for first, second, status in PAIRS:
        await board.task(title=first)
        assert (await create(board, second)).status_code == status, (first, second)
        await admin.execute("UPDATE tasks SET status = 'done'")
        await admin.execute("UPDATE task_texts SET is_open = false")


async def test_an_agent_that_says_why_creates_it_all_the_same_and_the_reason_is_kept(board):
    await board.task(title="Fix the login page")
    answer = await create(board, "Fix the login page", not_duplicate_because="another page of that name")
    assert answer.status_code == 201
    events = (await board.person.get(f"/api/v1/tasks/{answer.json()['id']}/events")).json()["items"]
    assert events[0]["payload"]["not_duplicate_because"] == "another page of that name"


async def test_a_reason_is_a_reason(board):
    for because in ("", "  ", "\n", "x" * 501, 5):
        answer = await create(board, "Fix the login page", not_duplicate_because=because)
        assert answer.status_code == 422
        assert [one["field"] for one in answer.json()["error"]["details"]["fields"]] == ["not_duplicate_because"]
    assert (await create(board, "Fix the login page", not_duplicate_because="x" * 500)).status_code == 201


async def test_people_know_what_they_do(board):
    await board.task(title="Fix the login page")
    assert (await board.task(title="Fix the login page"))["status"] == "inbox"
    answer = await board.person.post("/api/v1/tasks", json={"title": "T", "not_duplicate_because": "x"})
    assert answer.status_code == 422


async def test_an_account_may_do_without_the_guard(board):
    await board.task(title="Fix the login page")
    await board.person.patch("/api/v1/account", json={"duplicate_guard": False})
    assert (await create(board, "Fix the login page")).status_code == 201


async def test_what_is_finished_or_archived_may_be_made_again(board):
    done = await board.task(title="Fix the login page", assignee_slugs=["engineer"])
    gone = await board.task(title="Paint the fence")
    assert len(await candidates(board, "Fix the login page")) == len(await candidates(board, "Paint the fence")) == 1
    await finish(board, done)
    await board.person.post(f"/api/v1/tasks/{gone['id']}/status", json={"status": "archived"})
    assert (await create(board, "Fix the login page")).status_code == 201
    assert (await create(board, "Paint the fence")).status_code == 201


async def test_what_is_open_again_counts_again(board):
    task = await board.task(title="Fix the login page", assignee_slugs=["engineer"])
    await finish(board, task)
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/reopen", json={})).status_code == 200
    assert [one["id"] for one in await candidates(board, "Fix the login page")] == [task["id"]]
    await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "archived"})
    await board.person.post(f"/api/v1/tasks/{task['id']}/restore", json={})
    assert [one["id"] for one in await candidates(board, "Fix the login page")] == [task["id"]]


async def test_a_new_title_counts_and_the_old_one_no_more(board):
    task = await board.task(title="Fix the login page")
    await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"title": "Paint the fence"})
    assert [one["title"] for one in await candidates(board, "Paint the fence")] == ["Paint the fence"]
    assert (await create(board, "Fix the login page")).status_code == 201


async def test_the_hidden_coordination_thread_is_no_duplicate(board, admin):
    task = await board.task(title="Fix the login page")
    await admin.execute("UPDATE tasks SET is_coordination = true WHERE id = $1", UUID(task["id"]))
    assert (await create(board, "Fix the login page")).status_code == 201


async def test_five_are_shown_the_closest_first(board):
    for _ in range(3):
        await board.task(title="Fix the login page now")
    for _ in range(4):
        await board.task(title="Fix the login page")
    shown = await candidates(board, "Fix the login page")
    assert [one["title"] for one in shown] == ["Fix the login page"] * 4 + ["Fix the login page now"]
    assert [one["similarity"] for one in shown] == sorted((one["similarity"] for one in shown), reverse=True)


@pytest.mark.parametrize("title", ["Fix the login page", "Fix login page", "Fix the login pages"])
async def test_an_old_task_is_found_behind_many_newer_ones(board, admin, title):
    await filled(admin, board.account_id, 206, title="Something else")
    oldest = await admin.fetchval("SELECT id FROM tasks ORDER BY id LIMIT 1")
    await admin.execute("UPDATE tasks SET title = $2 WHERE id = $1", oldest, "Fix the login page")
    await admin.execute(
        "UPDATE task_texts SET title = $2::text, title_key = task_title_key($2::text) WHERE task_id = $1",
        oldest,
        "Fix the login page",
    )
    assert [one["title"] for one in await candidates(board, title)] == ["Fix the login page"]


async def test_authority_is_asked_before(board):
    await board.task(title="Fix the login page")
    answer = await create(board, "Fix the login page", by="engineer")
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "capability_denied")


async def test_a_refused_creation_can_be_repeated_with_the_same_key(board):
    await board.task(title="Fix the login page")
    key = {"Idempotency-Key": "k"}
    client, body = board.as_("orchestrator"), {"title": "Fix the login page"}
    assert (await client.post("/agent/task-create", json=body, headers=key)).status_code == 409
    body |= {"not_duplicate_because": "it broke again"}
    first = await client.post("/agent/task-create", json=body, headers=key)
    again = await client.post("/agent/task-create", json=body, headers=key)
    assert (first.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")


async def test_a_task_of_another_account_is_no_duplicate(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        await theirs.task(title="Fix the login page")
        assert (await create(mine, "Fix the login page")).status_code == 201
        asked = "SELECT count(*) FROM possible_duplicates('Fix the login page', 0.6, 5)"
        for account_id, count in ((mine.account_id, 1), (theirs.account_id, 1), (uuid4(), 0)):
            async with mine.database.transaction(account_id, origin=make.ORIGIN) as tx:
                assert await tx.value(asked) == count


async def test_of_sixteen_that_create_the_same_at_once_one_does(board):
    await board.person.patch("/api/v1/account", json={"defaults": {"can_create_tasks": True}})
    crew = ("orchestrator", "engineer", "reviewer", "writer")
    for number in range(3):
        title = f"Rebuild the {uuid4().hex[:8]}"
        # The same but for case and punctuation.
        titles = [title, title.upper(), f"{title}!", f"  {title} "]
        answers = await asyncio.gather(*(create(board, titles[each % 4], by=crew[each // 4]) for each in range(16)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15, number
        made = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
        shown = {answer.json()["error"]["details"]["candidates"][0]["id"] for answer in answers if answer.status_code == 409}
        assert shown == {made}


async def test_different_tasks_are_created_side_by_side(board):
    answers = await asyncio.gather(*(create(board, uuid4().hex) for _ in range(16)))
    assert {answer.status_code for answer in answers} == {201}


@given(kind=st.sampled_from(ActorKind), because=st.none() | st.text(min_size=1), title=st.text(min_size=1))
def test_only_agents_without_a_reason_are_guarded(kind, because, title):
    principal = Principal(kind=kind, id=uuid4(), account_id=uuid4(), name="N")
    is_guarded = kind is ActorKind.AGENT and because is None
    assert duplicates.guarded(principal, title, because=because) == (title if is_guarded else None)
