"""Two tasks on the same files do not start together: who reserved what, until when, and who hears of it."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.tasks import freeing, renewing
from tests import make
from tests.agentapi.looking import capacity
from tests.policies import desk
from tests.tasks.holders import consistent, did, expire, held, hired, lapse, refused, say
from tests.tasks.webs import details, edit, log, shown, told

HELD = (409, "held")
INVALID = (422, "validation_failed")
FREE = (200, None)


def wish(pattern: str, mode: str = "exclusive", **more: Any) -> dict[str, Any]:
    return {"pattern": pattern, "mode": mode, **more}


async def wanting(board, who: str, *wishes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await board.task(assignee_slugs=[who], reserve=list(wishes), **fields)
    return made


async def reservations(board, task) -> list[tuple[str, str, bool]]:
    return [(one["pattern"], one["mode"], one["in_force"]) for one in (await shown(board, task))["reservations"]]


async def test_a_task_whose_files_another_has_is_not_started_by_its_name(board, admin):
    mine = await wanting(board, "engineer", wish("src/api/"), wish("docs/*.md", "shared"), title="The first")
    assert await reservations(board, mine) == [("src/api/**", "exclusive", False), ("docs/*.md", "shared", False)]
    first = await did(board, "engineer", "task-claim", mine)
    assert [one["in_force"] for one in first["task"]["reservations"]] == [True, True]
    assert {one["until"] for one in first["task"]["reservations"]} == {first["lease"]["until"]}
    loaded = await did(board, "engineer", "task-load", mine)
    assert loaded["task"]["reservations"] == first["task"]["reservations"]
    theirs = await wanting(board, "writer", wish("src/**/tasks.py"), wish("docs/a.md", "shared"))
    for verb, body in (("task-claim", {}), ("task-status", {"status": "in_progress"})):
        answer = await say(board, "writer", verb, theirs, **body)
        assert refused(answer) == HELD
        said = details(answer)
        assert said["reason"] == "files"
        assert said["conflicts"] == [
            {
                "task_id": mine["id"],
                "title": "The first",
                "holder": "engineer",
                "pattern": "src/api/**",
                "mine": "src/**/tasks.py",
                "mode": "exclusive",
                "until": first["lease"]["until"],
            }
        ]
        words = answer.json()["error"]["message"]
        assert "engineer" in words
        assert "src/api/**" in words
        assert first["lease"]["until"][:10] in words
    assert await reservations(board, theirs) == [("src/**/tasks.py", "exclusive", False), ("docs/a.md", "shared", False)]
    await did(board, "engineer", "task-release", mine, fence=first["lease"]["fence"])
    assert [one[2] for one in await reservations(board, mine)] == [False, False]
    await did(board, "writer", "task-claim", theirs)
    assert refused(await say(board, "engineer", "task-claim", mine)) == HELD
    [claimed] = await log(board, theirs, "status_changed")
    assert claimed["payload"]["reserved"] == ["src/**/tasks.py", "docs/a.md"]
    await consistent(admin)


async def test_a_lease_that_ran_out_or_a_time_that_is_over_frees_the_files_without_a_write(board, admin):
    first, fence = await held(board, reserve=[wish("a", ttl_seconds=600), wish("b")])
    second = await wanting(board, "writer", wish("a"))
    third = await wanting(board, "engineer-2", wish("b"))
    assert refused(await say(board, "writer", "task-claim", second)) == HELD
    await admin.execute("UPDATE file_reservations SET until = callboard_now() - interval '1 s' WHERE pattern = 'a' AND fence = 1")
    assert await reservations(board, first) == [("a", "exclusive", False), ("b", "exclusive", True)]
    await did(board, "writer", "task-claim", second)
    # Its holder asks again, and finds that somebody else has it now.
    again = await say(board, "engineer", "task-reserve", first, fence=fence, reserve=[wish("a", ttl_seconds=600)])
    assert refused(again) == HELD
    assert refused(await say(board, "engineer-2", "task-claim", third)) == HELD
    await lapse(admin, first)
    await did(board, "engineer-2", "task-claim", third)
    assert await expire(board, first, fence)
    # Handed over to whoever takes it next, and in its way again.
    assert refused(await say(board, "engineer", "task-claim", first)) == HELD
    await consistent(admin)


async def test_a_claim_without_an_id_and_next_pass_over_what_cannot_start(board, admin):
    await capacity(board, "writer", 3)
    await held(board, reserve=[wish("src/**")])
    blocked = [await wanting(board, "writer", wish(f"src/{name}"), priority=1) for name in "abcdef"]
    fits = await wanting(board, "writer", wish("docs/**"), priority=2)
    plain = await board.task(assignee_slugs=["writer"], priority=3)
    await say(board, "writer", "next", wait=0)
    for wanted in (fits, plain):
        offered = await offered_to(board, "writer")
        assert offered["task"]["id"] == wanted["id"]
        taken = await did(board, "writer", "task-claim")
        assert taken["task"]["id"] == wanted["id"]
    # Nothing is left that fits: it is shown what it holds already.
    assert (await offered_to(board, "writer"))["reason"] == "held"
    assert (await did(board, "writer", "task-claim"))["is_new"] is False
    why = (await board.person.get(f"/api/v1/tasks/{blocked[0]['id']}/why")).json()
    assert why["waits_for"] == "files_reserved"
    assert why["details"]["conflicts"][0]["holder"] == "engineer"
    assert why["until"] == why["details"]["conflicts"][0]["until"]
    assert why["next_verb"]["verb"] == "task-why"
    assert "engineer" in why["words"]


async def offered_to(board, who: str) -> dict[str, Any]:
    """What `next` shows once every notification is taken."""
    acks: list[str] = []
    while True:
        found = await did(board, who, "next", wait=0, ack=acks)
        if found["kind"] != "notification":
            return found
        acks = [found["ack"]]


async def test_the_open_pool_passes_over_them_too(board):
    await board.person.patch("/api/v1/account", json={"open_pool": True})
    await held(board, reserve=[wish("src/**", "shared")])
    await board.task(reserve=[wish("src/a")], priority=1)
    free = await board.task(reserve=[wish("src/a", "shared")], priority=2)
    assert (await offered_to(board, "writer"))["task"]["id"] == free["id"]
    assert (await did(board, "writer", "task-claim"))["task"]["id"] == free["id"]
    assert await did(board, "engineer-2", "task-claim") == {"task": None, "lease": None, "is_new": False, "handoff": None}


async def test_the_holder_adds_renews_and_gives_back_files_with_its_fence(board, admin):
    task, fence = await held(board, "writer")
    other, _ = await held(board, who="engineer-2", reserve=[wish("lib/**")])
    reserve = lambda who="engineer", at=task, **body: say(board, who, "task-reserve", at, **body)  # noqa: E731
    before = (await shown(board, task))["version"]
    for body, code in (
        ({"reserve": [wish("a")]}, (409, "lease_required")),
        ({"reserve": [wish("a")], "fence": fence + 1}, (409, "lease_lost")),
        ({"reserve": [wish("lib/x")], "fence": fence}, HELD),
        ({"reserve": [wish("../x")], "fence": fence}, INVALID),
        ({"release": ["a"], "fence": fence}, INVALID),
        ({"reserve": [wish("a")], "release": ["a"], "fence": fence}, INVALID),
        ({"fence": fence}, INVALID),
        ({"reserve": [wish(f"f{number}") for number in range(51)], "fence": fence}, INVALID),
        ({"reserve": [wish("a", ttl_seconds=1)], "fence": fence}, INVALID),
        ({"reserve": [wish("a", "mine")], "fence": fence}, INVALID),
    ):
        assert refused(await reserve(**body)) == code, body
    assert refused(await reserve("writer", fence=fence, release=["a"])) == (409, "lease_lost")
    assert refused(await reserve("writer", reserve=[wish("a")])) == HELD
    assert refused(await reserve("orchestrator", reserve=[wish("a")])) == (409, "lease_required")
    assert refused(await reserve("reviewer", reserve=[wish("a")])) == (403, "forbidden")
    assert await reservations(board, task) == []
    assert (await shown(board, task))["version"] == before
    for who, decision in (("engineer", "allow"), ("reviewer", "deny")):
        assert (await desk.explained(board, who, task, "task.reserve"))["decision"] == decision

    made = await did(board, "engineer", "task-reserve", task, fence=fence, reserve=[wish("src/"), wish("b", ttl_seconds=60)])
    assert [(one["pattern"], one["in_force"]) for one in made["reservations"]] == [("src/**", True), ("b", True)]
    same = await did(board, "engineer", "task-reserve", task, fence=fence, reserve=[wish("src/")])
    assert same["version"] == made["version"] == before + 1
    renewed = await did(board, "engineer", "task-reserve", task, fence=fence, reserve=[wish("b", ttl_seconds=600)])
    assert renewed["reservations"][1]["until"] > made["reservations"][1]["until"]
    last = await did(board, "engineer", "task-reserve", task, fence=fence, release=["src/"], reserve=[wish("c", "shared")])
    assert [one["pattern"] for one in last["reservations"]] == ["b", "c"]
    assert last["version"] == renewed["version"] + 2
    kinds = [(one["type"], one["payload"]["patterns"]) for one in await log(board, task, "reserv")]
    assert kinds[-2:] == [("board:task:reserved", ["c"]), ("board:task:reservation_released", ["src/**"])]
    # The other tasks of the account see it at once.
    assert refused(await say(board, "engineer-2", "task-reserve", other, fence=1, reserve=[wish("c")])) == HELD
    await did(board, "engineer-2", "task-reserve", other, fence=1, reserve=[wish("c", "shared"), wish("src/x")])
    await consistent(admin)


async def test_a_claim_brings_files_along(board):
    task = await board.task(assignee_slugs=["engineer"])
    await held(board, who="writer", reserve=[wish("a")])
    assert refused(await say(board, "engineer", "task-claim", reserve=[wish("b")])) == INVALID
    assert refused(await say(board, "engineer", "task-claim", task, reserve=[wish("a")])) == HELD
    assert await reservations(board, task) == []
    made = await did(board, "engineer", "task-claim", task, reserve=[wish("b")])
    again = await did(board, "engineer", "task-claim", task, reserve=[wish("b"), wish("c")])
    assert (made["is_new"], again["is_new"]) == (True, False)
    assert again["lease"]["fence"] == made["lease"]["fence"]
    assert await reservations(board, task) == [("b", "exclusive", True), ("c", "exclusive", True)]
    await did(board, "engineer", "task-status", task, status="review", fence=made["lease"]["fence"])
    assert [one[2] for one in await reservations(board, task)] == [False, False]
    assert refused(await say(board, "reviewer", "task-claim", task, reserve=[wish("d")])) == INVALID
    # A review needs no files, and gets none.
    assert [one["in_force"] for one in (await did(board, "reviewer", "task-claim", task))["task"]["reservations"]] == [False] * 2


async def test_people_and_the_orchestrator_say_which_files_a_task_wants_and_workers_do_not(board, admin):
    task, fence = await held(board, reserve=[wish("a"), wish("b", "shared")])
    body = {"reserve": [wish("b", "shared"), wish("c")]}
    denied = await say(board, "engineer", "task-update", task, fence=fence, **body)
    assert (denied.status_code, details(denied)["reason"]) == (403, "orchestrator_required")
    await did(board, "orchestrator", "task-update", task, **body)
    assert await reservations(board, task) == [("b", "shared", True), ("c", "exclusive", True)]
    [event] = [one for one in await log(board, task, "updated") if "reserve" in one["payload"]]
    assert event["payload"]["reserve"] == {"added": ["c"], "removed": ["a"]}
    assert event["payload"]["fields"] == ["reserve"]
    other, _ = await held(board, who="writer", reserve=[wish("d")])
    assert refused(await edit(board, task, reserve=[wish("d")])) == HELD
    assert (await edit(board, other, reserve=[wish("d")])).json()["version"] == other["version"] + 1
    for bad in ([wish("/a")], [wish("a", ttl_seconds=604_801)], [wish("x")] * 51, [{"pattern": "a", "extra": 1}], None):
        assert refused(await edit(board, task, reserve=bad)) == INVALID
    for path in ("../x", "a\0b", "x" * 300):
        refusal = await board.person.post("/api/v1/tasks", json={"title": "T", "reserve": [wish(path)]})
        assert refused(refusal) == INVALID
    assert await admin.fetchval("SELECT count(*) FROM file_reservations") == 3
    assert (await edit(board, task, reserve=[])).json()["reservations"] == []
    await consistent(admin)


async def test_who_has_which_files_is_a_page_that_ends_with_the_leases(board, admin):
    first, fence = await held(board, reserve=[wish("a"), wish("b", "shared", ttl_seconds=60), wish("c")], title="First")
    await wanting(board, "writer", wish("elsewhere"))
    everything = (await board.person.get("/api/v1/reservations")).json()
    assert [one["pattern"] for one in everything["items"]] == ["c", "b", "a"]
    assert {(one["task_id"], one["title"], one["holder"]) for one in everything["items"]} == {(first["id"], "First", "engineer")}
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await board.person.get(f"/api/v1/reservations?limit=2&cursor={cursor}")).json()
        found, cursor = [*found, *page["items"]], page["next_cursor"]
    assert found == everything["items"]
    assert (await board.person.get("/api/v1/reservations?repository=nowhere")).json()["items"] == []
    assert {one["repository"] for one in found} == {None}
    await did(board, "engineer", "task-release", first, fence=fence)
    assert (await board.person.get("/api/v1/reservations")).json()["items"] == []


TREE = """INSERT INTO task_worktrees (account_id, id, task_id, repository_id, state)
VALUES ($1, gen_random_uuid(), $2, (SELECT id FROM repositories WHERE account_id = $1 AND is_primary), 'ready')"""
ADD = """INSERT INTO repositories (account_id, id, name, is_primary, version)
VALUES ($1, gen_random_uuid(), 'first', true, 1), ($1, gen_random_uuid(), 'other', false, 1)"""


async def test_a_task_names_its_repository_and_files_of_another_are_no_conflict(board, admin):
    await admin.execute(ADD, board.account_id)
    here, _ = await held(board, reserve=[wish("**")])
    there = await wanting(board, "writer", wish("a"), repository="other")
    assert there["repository"] == "other"
    assert here["repository"] is None
    await did(board, "writer", "task-claim", there)
    same = await wanting(board, "engineer-2", wish("b"), repository="first")
    assert refused(await say(board, "engineer-2", "task-claim", same)) == HELD
    for answer in (
        await edit(board, same, repository="nowhere"),
        await board.person.post("/api/v1/tasks", json={"title": "T", "repository": "nowhere"}),
        await say(board, "orchestrator", "task-create", title="T", repository="nowhere"),
    ):
        assert refused(answer) == INVALID
    listed = (await board.person.get("/api/v1/tasks?limit=2")).json()["items"]
    assert [one["repository"] for one in listed] == ["first", "other"]
    assert all("reservations" not in one and "repository_id" not in one for one in listed)
    in_other = (await board.person.get("/api/v1/reservations?repository=other")).json()["items"]
    assert [(one["pattern"], one["repository"]) for one in in_other] == [("a", "other")]
    # What is reserved in a repository stays there while somebody works on it.
    assert refused(await edit(board, here, repository="other")) == HELD
    assert refused(await edit(board, here, title="New")) == FREE
    assert refused(await edit(board, same, repository="other")) == FREE
    assert (await edit(board, same, repository=None)).json()["repository"] is None
    moved = await did(board, "orchestrator", "task-update", same, repository="other")
    assert moved["repository"] == "other"
    [event] = [one for one in await log(board, same, "updated") if one["payload"]["fields"] == ["repository"]][-1:]
    assert event["payload"]["repository"] == {"from": None, "to": "other"}
    await stays(board, admin)


async def stays(board, admin) -> None:
    """The repository of a task stays while it has a worktree there."""
    task = await board.task()
    await admin.execute(TREE, board.account_id, UUID(task["id"]))
    answer = await edit(board, task, repository="other")
    assert refused(answer) == HELD
    assert details(answer)["reason"] == "worktree"
    assert refused(await edit(board, task, repository="first")) == FREE
    await admin.execute("UPDATE task_worktrees SET removed_at = callboard_now() WHERE task_id = $1", UUID(task["id"]))
    assert (await edit(board, task, repository="other")).json()["repository"] == "other"


async def told_of_files(board, admin) -> int:
    """Do what a worker does with what was ordered; answers how many tasks were told of it."""
    rows = await admin.fetch("DELETE FROM runtime_commands WHERE type = $1 RETURNING payload::text", freeing.FREED)
    number = 0
    for row in rows:
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            number += await freeing.tell(tx, msgspec.json.decode(row["payload"], type=freeing.Freed))
    return number


async def test_who_waits_for_files_is_told_once_when_they_are_free(board, admin):
    first, fence = await held(board, reserve=[wish("src/**"), wish("docs", "shared")])
    waits = await wanting(board, "writer", wish("src/a"))
    before = await board.task()
    stuck = await wanting(board, "writer", wish("src/b"), depends_on=[before["id"]])
    for name in ("lib", "docs"):
        await wanting(board, "engineer-2", wish(name, "shared"))
    plain, plain_fence = await held(board, who="engineer-2")
    await did(board, "engineer-2", "task-status", plain, status="review", fence=plain_fence)
    # Without reservations nothing is ordered, and a heartbeat ends nothing.
    await did(board, "engineer", "task-heartbeat", first, fence=fence)
    assert await told_of_files(board, admin) == 0
    await did(board, "engineer", "task-reserve", first, fence=fence, release=["docs"])
    assert await told_of_files(board, admin) == 0
    await did(board, "engineer", "task-status", first, status="review", fence=fence)
    assert await told_of_files(board, admin) == 1
    assert await told(board, waits, "ready", title="Its files are free: A task") == ["writer"]
    assert await told(board, stuck, "ready") == []
    [event] = await log(board, waits, "ready")
    assert event["payload"] == {"because": "files_freed", "tasks": [first["id"]]}
    # What somebody else took meanwhile is still in the way.
    await did(board, "writer", "task-claim", waits)
    again = await wanting(board, "engineer-2", wish("src/a"))
    await board.person.post(f"/api/v1/tasks/{waits['id']}/stop", json={"reason": "enough"})
    other = await wanting(board, "reviewer", wish("src/a"))
    await did(board, "reviewer", "task-claim", other)
    assert await told_of_files(board, admin) == 0
    assert await told(board, again, "ready") == []
    await consistent(admin)


async def test_a_renewal_that_comes_in_while_the_files_change_hands_brings_none_back(board, admin):
    first, _ = await held(board, reserve=[wish("a")])
    second = await wanting(board, "writer", wish("a"))
    holder = UUID(await board.agent_id("engineer"))
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        # Its time is that of its beginning, when the lease still lasted.
        end = "UPDATE tasks SET lease_until = callboard_now() + interval '30 ms' WHERE id = $1"
        await admin.execute(end, UUID(first["id"]))
        await asyncio.sleep(0.04)
        await did(board, "writer", "task-claim", second)
        await renewing.renew(tx, holder, UUID(first["id"]))
    held_now = (await board.person.get("/api/v1/reservations")).json()["items"]
    assert [one["task_id"] for one in held_now] == [second["id"]]
    assert await reservations(board, first) == [("a", "exclusive", False)]


ROUNDS = 6
BOTH_IN_FORCE = """SELECT count(*) FROM file_reservations f JOIN tasks t ON t.id = f.task_id
    WHERE f.fence = t.lease_fence AND t.lease_until > callboard_now()"""


@pytest.mark.parametrize("named", [True, False])
async def test_of_many_tasks_on_the_same_files_that_are_claimed_at_once_one_starts(board, admin, named):
    crew = await hired(board, 8)
    tasks = [await wanting(board, who, wish(f"src/{number % 2 or '*'}"), wish("x/**")) for number, who in enumerate(crew)]
    for _ in range(ROUNDS):
        calls = [say(board, who, "task-claim", task if named else None) for who, task in zip(crew, tasks, strict=True)]
        answers = await asyncio.gather(*calls)
        won = [one for one in answers if one.status_code == 200 and one.json()["is_new"]]
        assert len(won) == 1
        if named:
            assert Counter(map(refused, answers)) == {FREE: 1, HELD: 7}
            assert {details(one)["reason"] for one in answers if one.status_code != 200} == {"files"}
        assert await admin.fetchval(BOTH_IN_FORCE) == 2
        await consistent(admin)
        first = won[0].json()
        await did(board, crew[answers.index(won[0])], "task-release", first["task"], fence=first["lease"]["fence"])


async def test_of_holders_that_reserve_the_same_file_at_once_one_has_it(board, admin):
    crew = await hired(board, 6)
    tasks = [await board.task(assignee_slugs=[who]) for who in crew]
    fences = [await board.claim(who, task["id"]) for who, task in zip(crew, tasks, strict=True)]
    for number in range(ROUNDS):
        calls = [
            say(board, who, "task-reserve", task, fence=fence, reserve=[wish(f"f{number}")])
            for who, task, fence in zip(crew, tasks, fences, strict=True)
        ]
        assert Counter(map(refused, await asyncio.gather(*calls))) == {FREE: 1, HELD: 5}
    await consistent(admin)
