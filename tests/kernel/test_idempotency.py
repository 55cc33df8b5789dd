"""A call with an `Idempotency-Key` happens once, and gives everybody who repeats it the same answer."""

import asyncio

import pytest

from app.kernel import db
from tests import boards, make

TASKS = "/api/v1/tasks"


def keyed(key: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": key}


async def tasks(admin) -> int:
    count: int = await admin.fetchval("SELECT count(*) FROM tasks")
    return count


async def records(admin) -> int:
    count: int = await admin.fetchval("SELECT count(*) FROM idempotency_records")
    return count


async def test_fifty_creates_at_once_with_one_key_make_one_task_and_fifty_equal_answers(board, admin):
    calls = [board.person.post(TASKS, json={"title": "Once"}, headers=keyed()) for _ in range(50)]
    answers = await asyncio.gather(*calls)
    assert [answer.status_code for answer in answers] == [201] * 50
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count("true") == 49
    assert await tasks(admin) == 1
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'board:task:created'") == 1
    assert await admin.fetchval("SELECT hits FROM idempotency_records") == 49


async def test_without_a_key_every_call_counts(board, admin):
    answers = await asyncio.gather(*(board.person.post(TASKS, json={"title": "Twice"}) for _ in range(5)))
    assert len({answer.json()["id"] for answer in answers}) == await tasks(admin) == 5
    assert await records(admin) == 0


async def test_the_same_key_for_another_body_is_refused(board, admin):
    await board.person.post(TASKS, json={"title": "A"}, headers=keyed())
    answer = await board.person.post(TASKS, json={"title": "B"}, headers=keyed())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert await tasks(admin) == 1


async def test_keys_belong_to_their_principal_and_verb(board, admin):
    body = {"title": "Mine"}
    made = [await board.person.post(TASKS, json=body, headers=keyed())]
    # Another title, because agents do not make a task twice.
    theirs = {"title": "Another one"}
    made.append(await board.as_("orchestrator").post("/agent/task-create", json=theirs, headers=keyed()))
    assert [answer.status_code for answer in made] == [201, 201]
    for answer in made:
        path = f"{TASKS}/{answer.json()['id']}/messages"
        assert (await board.person.post(path, json={"content": "hi"}, headers=keyed())).status_code == 201
    assert (await tasks(admin), await records(admin)) == (2, 4)


@pytest.mark.parametrize(
    ("body", "status"), [({"title": ""}, 422), ({"title": "T", "status": "done"}, 409), ({"title": "T", "x": 1}, 422)]
)
async def test_a_refusal_is_not_stored(board, admin, body, status):
    assert (await board.person.post(TASKS, json=body, headers=keyed())).status_code == status
    assert await records(admin) == 0
    answer = await board.person.post(TASKS, json={"title": "Right"}, headers=keyed())
    assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (201, None)


async def test_a_refusal_that_passed_is_not_given_again(board):
    task, key = await board.task(), keyed("later")
    body = {"task_id": task["id"], "status": "in_progress"}
    assert (await board.as_("engineer").post("/agent/task-status", json=body, headers=key)).status_code == 403
    await board.person.post(f"{TASKS}/{task['id']}/assign", json={"assignee_slugs": ["engineer"]})
    assert (await board.as_("engineer").post("/agent/task-status", json=body, headers=key)).status_code == 200


async def test_a_repetition_authenticates_again(board, admin):
    await board.as_("orchestrator").post("/agent/task-create", json={"title": "T"}, headers=keyed())
    tokens = (await board.person.get("/api/v1/tokens")).json()["items"]
    leader = await board.agent_id("orchestrator")
    mine = next(one for one in tokens if one["principal_id"] == leader)
    assert (await board.person.delete(f"/api/v1/tokens/{mine['id']}")).status_code == 204

    async def is_refused() -> bool:
        answer = await board.as_("orchestrator").post("/agent/task-create", json={"title": "T"}, headers=keyed())
        assert answer.status_code in (201, 401)
        return bool(answer.status_code == 401)

    await make.until(is_refused)
    assert await tasks(admin) == 1


async def test_an_issued_token_is_shown_once_and_never_stored(board, admin):
    body = {"name": "second", "agent_slug": "engineer"}
    first = await board.person.post("/api/v1/tokens", json=body, headers=keyed())
    again = await board.person.post("/api/v1/tokens", json=body, headers=keyed())
    token = first.json()["token"]
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json() | {"token": None})
    stored = await admin.fetchval("SELECT answer FROM idempotency_records")
    assert token.encode() not in stored
    assert token.split("_", 2)[2].encode() not in stored
    assert (await board.client(token).post("/agent/next", json={"wait": 0})).status_code == 204


async def test_an_expired_record_is_forgotten(board, admin):
    await board.person.post(TASKS, json={"title": "A"}, headers=keyed())
    await admin.execute("UPDATE idempotency_records SET expires_at = now() - interval '1 second'")
    answer = await board.person.post(TASKS, json={"title": "B"}, headers=keyed())
    assert (answer.status_code, answer.json()["title"]) == (201, "B")
    assert await tasks(admin) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_is_a_short_line_of_text(board, admin, key):
    answer = await board.person.post(TASKS, json={"title": "T"}, headers=keyed(key))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")
    assert await tasks(admin) == 0


@pytest.fixture
async def impatient(urls, monkeypatch):
    """A board that waits for locks a moment only."""
    monkeypatch.setattr(db, "LOCK_TIMEOUT", "300ms")
    async with boards.in_own_task(lambda: boards.opened(urls[1])) as opened:
        yield opened


async def test_a_call_that_waits_too_long_for_its_twin_is_told_to_try_again(impatient, admin):
    board = impatient
    await admin.execute("BEGIN")
    columns = "account_id, principal_id, verb, key, request_hash"
    owner = await admin.fetchval("SELECT id FROM people WHERE role = 'owner'")
    await admin.execute(
        f"INSERT INTO idempotency_records ({columns}) VALUES ($1, $2, 'POST /api/v1/tasks', 'k-1', '')", board.account_id, owner
    )
    answer = await board.person.post(TASKS, json={"title": "T"}, headers=keyed())
    await admin.execute("ROLLBACK")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_in_flight")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await board.person.post(TASKS, json={"title": "T"}, headers=keyed())).status_code == 201


async def test_answers_at_once_to_one_notification_are_one_message(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    offered = (await board.as_("engineer").post("/agent/next", json={"wait": 0})).json()
    body = {"task_id": task["id"], "content": "Yes", "notification_id": offered["ack"]}
    answers = await asyncio.gather(*(board.as_("engineer").post("/agent/task-message", json=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await admin.fetchval("SELECT count(*) FROM messages") == 1


async def test_of_agents_made_at_once_with_one_slug_one_is_made(board):
    body = {"slug": "twin", "name": "Twin", "role": "Writer"}
    answers = await asyncio.gather(*(board.person.post("/api/v1/agents", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {"duplicate"}


async def test_a_key_is_stored_for_no_path_that_postgresql_could_not_hold(board, admin):
    for name in ("%00", "".join(f"{number:x}" for number in range(2_000))):
        answer = await board.person.delete(f"/api/v1/admin/runtime/settings/{name}?reason=drill", headers=keyed())
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert await records(admin) == 0
