"""Versions: each write is one, none ever changes, and what the writer expects must be so."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from app.memory import reading, service
from tests import make
from tests.boards import OWNER
from tests.memory.desk import conflict, gone, got, kept, memory_events, put, refusal, verb


@pytest.fixture
async def run(board) -> str:
    """The scope of a run: here, of a task that an agent is on."""
    return f"run/{(await board.task(assignee_slugs=['engineer']))['id']}"


@pytest.fixture
async def agent(board) -> str:
    return f"agent/{await board.agent_id('engineer')}"


async def test_a_run_counts_its_versions_by_itself(board, run, admin):
    seen = [await kept(board, OWNER, f"{run}/plan", {"step": number}) for number in range(3)]
    assert [one["version"] for one in seen] == [1, 2, 3]
    assert len({one["memory_id"] for one in seen}) == 1
    assert len({one["id"] for one in seen}) == 3
    assert {one["created_at"] for one in seen} == {seen[0]["created_at"]}
    found = (await got(board, OWNER, f"{run}/plan")).json()
    assert found == seen[2] | {"content": {"step": 2}}
    assert (found["tier"], found["state"], found["contract_version"]) == ("working", "active", "v1")
    assert [(what, number) for what, number, _ in await memory_events(admin)] == [("created", 1), ("updated", 2), ("updated", 3)]


async def test_what_outlives_a_run_is_written_on_the_version_that_is_expected(board, agent):
    assert refusal(await put(board, OWNER, f"{agent}/style", 1)) == (422, "validation_failed")
    assert conflict(await put(board, OWNER, f"{agent}/style", 1, expected_version=3)) == (409, "version_conflict", 0)
    made = await kept(board, OWNER, f"{agent}/style", 1, expected_version=0)
    assert (made["version"], made["tier"]) == (1, "long_term")
    assert conflict(await put(board, OWNER, f"{agent}/style", 2, expected_version=0)) == (409, "version_conflict", 1)
    assert (await kept(board, OWNER, f"{agent}/style", 2, expected_version=1))["version"] == 2
    assert refusal(await gone(board, OWNER, f"{agent}/style")) == (422, "validation_failed")
    assert conflict(await gone(board, OWNER, f"{agent}/style", expected_version=1)) == (409, "version_conflict", 2)
    assert (await gone(board, OWNER, f"{agent}/style", expected_version=2)).json()["state"] == "deleted"


async def test_a_run_may_be_asked_to_expect_a_version_too(board, run):
    await kept(board, OWNER, f"{run}/plan", 1)
    assert conflict(await put(board, OWNER, f"{run}/plan", 2, expected_version=0)) == (409, "version_conflict", 1)
    assert (await kept(board, OWNER, f"{run}/plan", 2, expected_version=1))["version"] == 2


async def test_of_writers_who_expect_the_same_version_one_wins(board, agent):
    await kept(board, OWNER, f"{agent}/style", "first", expected_version=0)
    for version in (1, 2):
        answers = await asyncio.gather(
            *(put(board, OWNER, f"{agent}/style", f"of {n}", expected_version=version) for n in range(12))
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
        lost = [answer for answer in answers if answer.status_code == 409]
        assert {conflict(answer) for answer in lost} == {(409, "version_conflict", version + 1)}
    # The same where nothing is there yet, and where one of them deletes.
    answers = await asyncio.gather(*(put(board, OWNER, f"{agent}/new", n, expected_version=0) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    answers = await asyncio.gather(
        gone(board, OWNER, f"{agent}/new", expected_version=1),
        *(put(board, OWNER, f"{agent}/new", n, expected_version=1) for n in range(5)),
    )
    assert sorted(answer.status_code for answer in answers)[:2] in ([200, 404], [200, 409])


async def test_writers_of_a_run_all_get_a_version_of_their_own(board, run):
    answers = await asyncio.gather(*(put(board, OWNER, f"{run}/log", number) for number in range(20)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 21))
    for answer in answers:
        version = answer.json()["version"]
        said = (await got(board, OWNER, f"{run}/log", version=version)).json()
        assert answers[said["content"]].json()["version"] == version


async def test_a_deletion_is_a_version_and_the_name_may_be_used_again(board, run, admin):
    made = await kept(board, OWNER, f"{run}/plan", "old", expires_in_seconds=60)
    deleted = (await gone(board, OWNER, f"{run}/plan")).json()
    assert (deleted["version"], deleted["state"], deleted["memory_id"]) == (2, "deleted", made["memory_id"])
    assert refusal(await got(board, OWNER, f"{run}/plan")) == (404, "not_found")
    assert refusal(await gone(board, OWNER, f"{run}/plan")) == (404, "not_found")
    assert (await got(board, OWNER, f"{run}/plan", version=1)).json()["content"] == "old"
    assert (await got(board, OWNER, f"{run}/plan", version=2)).json()["state"] == "deleted"
    again = await kept(board, OWNER, f"{run}/plan", "new", expected_version=0)
    assert (again["version"], again["memory_id"], again["created_at"]) == (3, made["memory_id"], made["created_at"])
    assert [what for what, _, _ in await memory_events(admin)] == ["created", "deleted", "created"]


async def test_a_version_that_was_read_by_its_number_never_changes(board, run):
    seen = {}
    for number in range(1, 6):
        await kept(board, OWNER, f"{run}/plan", {"step": number}, expires_in_seconds=3600 if number % 2 else 7200)
        seen[number] = (await got(board, OWNER, f"{run}/plan", version=number)).json()
    await gone(board, OWNER, f"{run}/plan")
    await kept(board, OWNER, f"{run}/plan", "again")
    for number, before in seen.items():
        assert (await got(board, OWNER, f"{run}/plan", version=number)).json() == before
    for absent in (8, 2**31 - 1):
        assert refusal(await got(board, OWNER, f"{run}/plan", version=absent)) == (404, "not_found")
    assert refusal(await got(board, OWNER, f"{run}/plan", version=0)) == (422, "validation_failed")


async def test_the_service_cannot_change_a_version(board, run):
    await kept(board, OWNER, f"{run}/plan", 1)
    for sql in ("UPDATE runtime_memory_snapshots SET content = '1'", "TRUNCATE runtime_memory_snapshots"):
        for pool in (board.database.app, board.database.runtime):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(sql)


async def test_versions_and_items_are_paged(board, run):
    for number in range(5):
        await kept(board, OWNER, f"{run}/plan", number)
    page = (await got(board, OWNER, f"{run}/plan/versions", limit=2)).json()
    assert [one["version"] for one in page["items"]] == [5, 4]
    page = (await got(board, OWNER, f"{run}/plan/versions", limit=9999, cursor=page["next_cursor"])).json()
    assert ([one["version"] for one in page["items"]], page["next_cursor"], page["limit"]) == ([3, 2, 1], None, 200)
    assert "content" not in page["items"][0]
    for name in ("b", "C", "a", "d", "e"):
        await kept(board, OWNER, f"{run}/{name}", name, tier="long_term")
    await gone(board, OWNER, f"{run}/b")
    found, cursor = [], None
    while True:
        page = (await got(board, OWNER, run, limit=2, **({"cursor": cursor} if cursor else {}))).json()
        found += [one["name"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(found) == sorted(["plan", "C", "a", "d", "e"])
    assert len(found) == len(set(found))
    assert [one["name"] for one in (await got(board, OWNER, run, tier="working")).json()["items"]] == ["plan"]
    assert refusal(await got(board, OWNER, run, cursor="no name")) == (422, "validation_failed")


async def test_whatever_json_is_kept_comes_back(board, run):
    contents = [None, 0, "", [], {}, "text", [1, [2, {"a": None}]], {"ä": "€", "n": 1.5e300, "i": 2**70}, "x" * 65_534]
    for content in contents:
        await kept(board, OWNER, f"{run}/plan", content)
        assert (await got(board, OWNER, f"{run}/plan")).json()["content"] == content


async def test_content_has_a_limit_and_needs_to_be_there(board, run):
    for content in ("x" * 65_535, ["é" * 33_000], list(range(20_000))):
        assert refusal(await put(board, OWNER, f"{run}/plan", content)) == (413, "payload_too_large")
    path = f"/api/v1/memory/{run}/plan"
    for body in ({}, {"content": 1, "version": 1}, {"content": 1, "expires_in_seconds": 0}, {"content": "\x00"}):
        assert (await board.person.put(path, json=body)).status_code == 422
    assert refusal(await put(board, OWNER, f"{run}/no such", 1)) == (422, "validation_failed")
    assert refusal(await got(board, OWNER, f"{run}/no such")) == (404, "not_found")


async def test_a_repeated_write_with_its_key_is_one_version(board, run):
    path, headers = f"/api/v1/memory/{run}/plan", {"Idempotency-Key": "once"}
    first = await board.person.put(path, json={"content": 1}, headers=headers)
    again = await board.person.put(path, json={"content": 1}, headers=headers)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")


async def test_handlers_keep_checkpoints_that_nobody_else_writes(board, run):
    task_id = run.removeprefix("run/")
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        assert await reading.reached(tx, task_id, "step") is None
        assert await service.checkpoint(tx, task_id, "step", {"done": 1}) == 1
        assert await service.checkpoint(tx, task_id, "step", {"done": 2}) == 2
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        assert await reading.reached(tx, task_id, "step") == {"done": 2}
        with pytest.raises(ValueError, match="no name"):
            await service.checkpoint(tx, task_id, "no name", 1)
    found = (await got(board, OWNER, f"{run}/checkpoint:step")).json()
    assert (found["content"], found["author_kind"], found["version"]) == ({"done": 2}, "system", 2)
    assert refusal(await put(board, OWNER, f"{run}/checkpoint:step", 1)) == (422, "validation_failed")
    assert refusal(await gone(board, OWNER, f"{run}/checkpoint:step")) == (422, "validation_failed")
    answer = await verb(board, "engineer", "write", scope="run", key=task_id, name="checkpoint:step", content=1)
    assert refusal(answer) == (422, "validation_failed")


async def test_a_checkpoint_belongs_to_the_transaction_that_made_it(board):
    run_id = uuid4()

    async def undone() -> None:
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            await service.checkpoint(tx, run_id, "step", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await undone()
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        assert await reading.reached(tx, run_id, "step") is None
