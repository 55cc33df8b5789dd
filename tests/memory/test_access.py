"""Who reads and writes which memory, over REST and as an agent; foreign is answered like absent."""

from uuid import uuid4

import pytest

from tests import boards
from tests.boards import OWNER
from tests.make import ORIGIN
from tests.memory.desk import MEMORY, conflict, gone, got, kept, memory_events, put, refusal, verb
from tests.policies import desk

ABSENT = (404, "not_found")


async def test_an_agent_has_its_own_memory_and_no_other(board):
    mine, other = await board.agent_id("engineer"), await board.agent_id("writer")
    made = await verb(board, "engineer", "write", scope="agent", name="style", content={"tabs": 4}, expected_version=0)
    assert (made.json()["scope_key"], made.json()["author_id"], made.json()["author_kind"]) == (mine, mine, "agent")
    for key in ({}, {"key": mine}):
        assert (await verb(board, "engineer", "read", scope="agent", name="style", **key)).json()["content"] == {"tabs": 4}
    for foreign in (other, str(uuid4())):
        assert refusal(await verb(board, "engineer", "read", scope="agent", name="style", key=foreign)) == ABSENT
        assert refusal(await verb(board, "engineer", "list", scope="agent", key=foreign)) == ABSENT
        body = {"scope": "agent", "key": foreign, "name": "x", "expected_version": 0}
        assert refusal(await verb(board, "engineer", "write", **body, content=1)) == ABSENT
    assert refusal(await verb(board, "writer", "read", scope="agent", name="style")) == ABSENT
    stale = await verb(board, "engineer", "write", scope="agent", name="style", content=1, expected_version=7)
    assert conflict(stale) == (409, "version_conflict", 1)
    gone_now = await verb(board, "engineer", "delete", scope="agent", name="style", expected_version=1)
    assert gone_now.json()["state"] == "deleted"


async def test_an_agent_shares_the_memory_of_the_tasks_that_it_is_on(board):
    task = await board.task(assignee_slugs=["engineer", "engineer-2"])
    run = {"scope": "run", "key": task["id"]}
    assert (await verb(board, "engineer", "write", **run, name="plan", content=["a"])).json()["version"] == 1
    assert (await verb(board, "engineer-2", "write", **run, name="plan", content=["a", "b"])).json()["version"] == 2
    listed = (await verb(board, "engineer", "list", **run)).json()
    assert [(one["name"], one["version"]) for one in listed["items"]] == [("plan", 2)]
    # Neither who is on something else nor who leads comes to it.
    for stranger in ("writer", "orchestrator"):
        assert refusal(await verb(board, stranger, "read", **run, name="plan")) == ABSENT
        assert refusal(await verb(board, stranger, "write", **run, name="plan", content=1)) == ABSENT
    body = {"assignee_slugs": ["engineer-2"], "replace": True}
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json=body)).status_code == 200
    assert refusal(await verb(board, "engineer", "read", **run, name="plan")) == ABSENT
    assert refusal(await verb(board, "engineer", "read", scope="run", name="plan")) == (422, "validation_failed")


async def test_a_reviewer_comes_to_the_memory_of_what_it_holds(board):
    task = await desk.in_review(board)
    run = {"scope": "run", "key": task["id"]}
    await verb(board, "engineer", "write", **run, name="plan", content="done so")
    assert refusal(await verb(board, "reviewer", "read", **run, name="plan")) == ABSENT
    await board.claim("reviewer", task["id"])
    assert (await verb(board, "reviewer", "read", **run, name="plan")).json()["content"] == "done so"


async def test_an_agent_comes_to_the_command_that_is_delivered_to_it(urls):
    async with boards.opened(urls[1], gateway_url="http://127.0.0.1:9") as board:
        await board.task(assignee_slugs=["engineer"])
        sql = "SELECT command_id, a.slug FROM notifications n JOIN agents a ON a.id = n.recipient_id WHERE command_id IS NOT NULL"
        async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
            row = await tx.row(sql)
        run = {"scope": "run", "key": str(row["command_id"])}
        assert (await verb(board, row["slug"], "write", **run, name="step", content=1)).json()["version"] == 1
        assert refusal(await verb(board, "writer", "read", **run, name="step")) == ABSENT
        assert (await got(board, OWNER, f"run/{row['command_id']}/step")).json()["content"] == 1


async def test_no_agent_comes_to_a_persons_memory(board):
    person = (await kept(board, OWNER, "user/me/notes", "mine", expected_version=0))["scope_key"]
    for who in ("engineer", "orchestrator"):
        for key in ({"key": person}, {}):
            assert refusal(await verb(board, who, "read", scope="user", name="notes", **key)) == ABSENT
            assert refusal(await verb(board, who, "list", scope="user", **key)) == ABSENT
            body = {"scope": "user", "name": "notes", "content": 1, "expected_version": 1} | key
            assert refusal(await verb(board, who, "write", **body)) == ABSENT
        assert refusal(await got(board, who, f"user/{person}/notes")) == (403, "persons_only")


async def test_a_persons_memory_is_theirs_and_administrators_only_read_it(board, admin):
    member, viewer = await desk.person(board, admin, "member"), await desk.person(board, admin, "viewer")
    chief = await desk.person(board, admin, "admin")
    made = await kept(board, member, "user/me/notes", "mine", expected_version=0)
    at = f"user/{made['scope_key']}/notes"
    assert (await got(board, member, at)).json()["author_id"] == made["scope_key"]
    assert (await got(board, OWNER, at)).json()["content"] == "mine"
    for above in (OWNER, chief):
        assert (await got(board, above, f"{at}/versions")).status_code == 200
        assert refusal(await put(board, above, at, "theirs", expected_version=1)) == (403, "role_denied")
        assert refusal(await gone(board, above, at, expected_version=1)) == (403, "role_denied")
    assert refusal(await got(board, viewer, at)) == ABSENT
    assert refusal(await got(board, viewer, f"user/{made['scope_key']}")) == ABSENT
    # The log is for everybody, so it does not even name what a person keeps.
    assert [sorted(payload) for _, _, payload in await memory_events(admin)] == [["scope_key", "scope_type"]]


async def test_viewers_read_what_runs_and_agents_keep_and_members_write_it(board, admin):
    member, viewer = await desk.person(board, admin, "member"), await desk.person(board, admin, "viewer")
    run, agent = f"run/{(await board.task())['id']}", f"agent/{await board.agent_id('writer')}"
    for place in (run, agent):
        await kept(board, member, f"{place}/plan", 1, expected_version=0)
        assert (await got(board, viewer, f"{place}/plan")).json()["content"] == 1
        assert len((await got(board, viewer, place)).json()["items"]) == 1
        assert refusal(await put(board, viewer, f"{place}/plan", 2, expected_version=1)) == (403, "role_denied")
        assert refusal(await gone(board, viewer, f"{place}/plan", expected_version=1)) == (403, "role_denied")
    assert refusal(await got(board, viewer, "user/me/notes")) == ABSENT
    assert (await got(board, viewer, "user/me")).json()["items"] == []


@pytest.mark.parametrize("scope", ["run", "agent", "user"])
async def test_what_another_account_keeps_is_answered_like_what_is_absent(urls, scope):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        keys = {"run": (await theirs.task(assignee_slugs=["engineer"]))["id"], "agent": await theirs.agent_id("engineer")}
        key = keys.get(scope) or (await kept(theirs, OWNER, "user/me/x", 1, expected_version=0))["scope_key"]
        if scope != "user":
            await kept(theirs, OWNER, f"{scope}/{key}/plan", 1, expected_version=0)
        seen = []
        for each in (key, str(uuid4())):
            calls = [
                await mine.person.request(method, f"{MEMORY}/{scope}/{each}{rest}", json=body)
                for method, rest, body in (
                    ("GET", "", None),
                    ("GET", "/plan", None),
                    ("GET", "/plan/versions", None),
                    ("PUT", "/plan", {"content": 1, "expected_version": 0}),
                    ("DELETE", "/plan?expected_version=1", None),
                )
            ]
            answers = [(one.status_code, one.json()["error"]["message"].replace(each, "KEY")) for one in calls]
            body = {"scope": scope, "key": each, "name": "plan"}
            read = await verb(mine, "engineer", "read", **body)
            seen.append([*answers, (read.status_code, read.json()["error"]["message"].replace(each, "KEY"))])
        assert seen[0] == seen[1]
        assert {status for status, _ in seen[0]} == {404}
        assert (await got(theirs, OWNER, f"{scope}/{key}")).json()["items"][0]["version"] == 1


async def test_scopes_and_keys_that_are_none_are_absent(board):
    for at in ("nowhere/me", "run/me", "run/x", "agent/me", "agent/engineer", "user/x", "session/me"):
        assert refusal(await got(board, OWNER, at)) == ABSENT
        assert refusal(await put(board, OWNER, f"{at}/plan", 1, expected_version=0)) == ABSENT
