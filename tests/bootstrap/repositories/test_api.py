"""Repositories over REST: who may, what is refused, versions, the primary one, and what a change orders."""

import asyncio

import pytest

from app.accounts import service as accounts
from app.kernel.ids import new_id
from app.kernel.types import ActorKind
from tests import boards, make

URL = "/api/v1/repositories"
ORIGIN = "https://git.example"
SYNCS = "SELECT count(*) FROM runtime_commands WHERE type = 'repository.sync'"
LAST = "id = (SELECT command_id FROM repository_clones)"
CALLS = "SELECT type, payload::text AS payload FROM events WHERE type LIKE 'board:repository:%' ORDER BY seq"


@pytest.fixture
async def board(urls):
    async with boards.in_own_task(lambda: boards.opened(urls[1], CALLBOARD_REPOSITORY_ORIGINS=ORIGIN)) as opened:
        yield opened


def fields(**given):
    return {"name": "library", "url": "https://git.example/library.git"} | given


async def made(board, **given):
    answer = await board.person.post(URL, json=fields(**given))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_repository_is_made_shown_changed_and_taken_away(board, admin, tmp_path):
    first = await made(board)
    assert (first["is_primary"], first["is_from_environment"], first["version"]) == (True, False, 1)
    clone = first["clone"]
    assert (clone["state"], clone["is_pending"], clone["trouble"]) == ("waiting", True, None)
    assert clone["directory"].endswith("/repos/demo/library")
    assert await admin.fetchval(SYNCS) == 1
    path = f"{URL}/{first['id']}"
    # What is on its way is enough; other facts of the clone want a sync of their own, the rest wants none.
    again = await board.person.post(f"{path}/sync")
    assert (again.status_code, await admin.fetchval(SYNCS)) == (202, 1)
    quiet = await board.person.patch(path, json={"keep_worktrees": True, "branch_pattern": "{agent}/{id}", "expected_version": 1})
    assert (quiet.json()["version"], quiet.json()["keep_worktrees"], await admin.fetchval(SYNCS)) == (2, True, 1)
    before = await admin.fetchval("SELECT command_id FROM repository_clones")
    moved = (await board.person.patch(path, json={"base_branch": "trunk", "clone_depth": 5})).json()
    assert (moved["base_branch"], moved["clone_depth"], moved["version"], await admin.fetchval(SYNCS)) == ("trunk", 5, 3, 2)
    assert await admin.fetchval("SELECT command_id FROM repository_clones") != before
    stale = await board.person.patch(path, json={"base_branch": "x", "expected_version": 1})
    assert (stale.status_code, stale.json()["error"]["code"], stale.json()["error"]["details"]["version"]) == (
        409,
        "version_conflict",
        3,
    )
    same = await board.person.patch(path, json={"base_branch": "trunk"})
    assert same.json()["version"] == 3
    assert (await board.person.get(URL)).json()["items"] == [same.json()]
    gone = await board.person.delete(path)
    assert (gone.status_code, (await board.person.get(path)).status_code) == (204, 404)
    assert await admin.fetchval("SELECT count(*) FROM repository_clones") == 0
    told = [row["type"].rpartition(":")[2] for row in await admin.fetch(CALLS)]
    assert told == ["created", "updated", "updated", "deleted"]
    assert not any("git.example" in row["payload"] for row in await admin.fetch(CALLS))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "https://other.example/a"}, "url"),
        ({"url": "file:///etc"}, "url"),
        ({"url": "https://user:secret@git.example/a"}, "url"),
        ({"base_branch": "-x"}, "base_branch"),
        ({"branch_prefix": "a b/"}, "branch_prefix"),
        ({"branch_pattern": "same"}, "branch_pattern"),
        ({"protected_branches": ["ok", "no ?"]}, "protected_branches[1]"),
        ({"clone_depth": 0}, "clone_depth"),
        ({"name": "../up"}, "name"),
        ({"writable_dir": "/etc"}, "writable_dir"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field_and_nothing_is_made(board, admin, given, field):
    answer = await board.person.post(URL, json=fields(**given))
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert field in {one["field"] for one in error["details"]["fields"]} or field in error["message"]
    assert "secret" not in answer.text
    if "other" in str(given):
        assert "CALLBOARD_REPOSITORY_ORIGINS" in error["message"]
    assert await admin.fetchval("SELECT count(*) FROM repositories") == 0


async def test_one_is_the_primary_one_and_switching_is_one_call(board, admin):
    first, second = await made(board), await made(board, name="second", is_primary=False)
    assert (first["is_primary"], second["is_primary"]) == (True, False)
    refused = await board.person.patch(f"{URL}/{first['id']}", json={"is_primary": False})
    assert refused.status_code == 422
    kept = await board.person.delete(f"{URL}/{first['id']}")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "repository_in_use")
    answers = await asyncio.gather(
        *(board.person.patch(f"{URL}/{one['id']}", json={"is_primary": True}) for one in (first, second) * 3)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert await admin.fetchval("SELECT count(*) FROM repositories WHERE is_primary") == 1
    third = await made(board, name="third", is_primary=True)
    assert [row["name"] for row in await admin.fetch("SELECT name FROM repositories WHERE is_primary")] == ["third"]
    assert third["is_primary"]
    twice = await board.person.post(URL, json=fields(name="third"))
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "duplicate")


async def test_another_address_leaves_the_directory_that_the_seeds_gave(board, admin):
    path = f"{URL}/{(await made(board))['id']}"
    # Another account's repository may be in it too.
    await admin.execute("UPDATE repositories SET writable_dir = '/srv/shared'")
    directory = "SELECT r.writable_dir, c.directory FROM repositories r JOIN repository_clones c ON c.repository_id = r.id"
    await board.person.patch(path, json={"clone_depth": 3})
    assert tuple(await admin.fetchrow(directory)) == ("/srv/shared", "/srv/shared")
    await board.person.patch(path, json={"url": f"{ORIGIN}/another.git"})
    left, now = await admin.fetchrow(directory)
    assert (left, now.endswith("/repos/demo/library")) == (None, True)


async def test_pages_go_by_name_and_a_key_makes_one_repository(board, admin):
    key = {"Idempotency-Key": "once"}
    answers = [await board.person.post(URL, json=fields(name="c"), headers=key) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[1].headers["idempotent-replayed"] == "true"
    for name in ("b", "a"):
        await made(board, name=name)
    page = (await board.person.get(URL, params={"limit": 2})).json()
    assert ([one["name"] for one in page["items"]], page["next_cursor"]) == (["a", "b"], "b")
    rest = (await board.person.get(URL, params={"cursor": "b"})).json()
    assert ([one["name"] for one in rest["items"]], rest["next_cursor"]) == (["c"], None)
    assert await admin.fetchval(SYNCS) == 3


async def test_one_that_a_task_uses_is_not_taken_away(board, admin):
    first = await made(board)
    task = await board.task()
    await admin.execute("UPDATE tasks SET repository_id = $1 WHERE id = $2", first["id"], task["id"])
    kept = await board.person.delete(f"{URL}/{first['id']}")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "repository_in_use")
    assert kept.json()["error"]["details"]["tasks"] == 1


async def viewer(board, admin):
    """A client of a person who may only look."""
    person_id = new_id()
    columns = "account_id, id, email, handle, name, role"
    row = "'viewer@example.com', 'viewer', 'Viewer', 'viewer'"
    await admin.execute(f"INSERT INTO people ({columns}) VALUES ($1, $2, {row})", board.account_id, person_id)
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        _, token = accounts.issue_token(tx, principal_kind=ActorKind.PERSON, principal_id=person_id, name="t", created_by=None)
    return board.client(token)


async def test_viewers_read_admins_manage_and_agents_and_strangers_do_neither(board, admin, urls):
    path = f"{URL}/{(await made(board))['id']}"
    looking = await viewer(board, admin)
    assert [(await looking.get(one)).status_code for one in (URL, path)] == [200, 200]
    calls = (looking.patch(path, json={}), looking.post(f"{path}/sync"), looking.post(URL, json=fields()), looking.delete(path))
    assert [(await call).status_code for call in calls] == [403] * 4
    assert (await board.as_("engineer").get(URL)).status_code == 403
    assert (await board.client(None).get(URL)).status_code == 401

    def enter():
        return boards.opened(urls[1], account_slug="other", CALLBOARD_REPOSITORY_ORIGINS=ORIGIN)

    async with boards.in_own_task(enter) as other:
        person = other.person
        calls = (person.get(path), person.patch(path, json={}), person.post(f"{path}/sync"), person.delete(path))
        assert [(await call).status_code for call in calls] == [404] * 4
        assert [(await person.get(f"{URL}/{one}")).status_code for one in (new_id(), "nonsense")] == [404] * 2


async def test_orders_that_come_together_make_one_sync(board, admin):
    path = f"{URL}/{(await made(board))['id']}/sync"
    await admin.execute("UPDATE runtime_commands SET state = 'succeeded' WHERE type = 'repository.sync'")
    answers = await asyncio.gather(*(board.person.post(path) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert await admin.fetchval(SYNCS) == 2
    # One that waits for its next try is tried now.
    await admin.execute(f"UPDATE runtime_commands SET state = 'retry_scheduled', run_at = run_at + interval '1 h' WHERE {LAST}")
    await board.person.post(path)
    assert await admin.fetchval(f"SELECT run_at <= callboard_now() FROM runtime_commands WHERE {LAST}")
    assert await admin.fetchval(SYNCS) == 2
