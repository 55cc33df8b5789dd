"""Claiming: what is taken, in which order, how much of it, and what becomes of it."""

from typing import Any
from uuid import uuid4

from tests import boards, gateways, make
from tests.agentapi.looking import capacity
from tests.gateways import finds
from tests.policies import desk
from tests.tasks.holders import NOTES, consistent, did, everything, expire, held, lapse, refused, say, short
from tests.tasks.webs import log, move, shown

LOST = (409, "lease_lost")


async def test_claiming_again_gives_the_same_lease_and_writes_nothing(board, admin):
    task, fence = await held(board)
    before = await everything(admin, task)
    for named in (task, None):
        again = await did(board, "engineer", "task-claim", named)
        assert (again["is_new"], again["lease"]["fence"], again["task"]["id"]) == (False, fence, task["id"])
    assert await everything(admin, task) == before


async def test_the_best_task_is_the_one_begun_then_the_most_urgent_then_the_oldest(board):
    await capacity(board, "engineer", 5)
    mine = {"assignee_slugs": ["engineer"]}
    before = await board.task(title="waited for")
    wanted: dict[str, dict[str, Any]] = {
        "third": {"priority": 2},
        "fourth": {"priority": 2},
        "waits": {"priority": 1, "depends_on": [before["id"]]},
        "second": {"priority": 1},
        "last": {"priority": 5},
        "another's": {"priority": 1, "assignee_slugs": ["writer"]},
        "nobody's": {"priority": 1, "assignee_slugs": []},
    }
    for title, fields in wanted.items():
        await board.task(title=title, **(mine | fields))
    begun = await board.task(title="first", priority=5, **mine)
    await move(board, begun, "in_progress")
    titles = []
    while (claimed := await did(board, "engineer", "task-claim"))["is_new"]:
        titles.append(claimed["task"]["title"])
    assert titles == ["first", "second", "third", "fourth", "last"]


async def test_what_another_holds_is_passed_over(board):
    await held(board, "engineer-2")
    assert await did(board, "engineer-2", "task-claim") == {"task": None, "lease": None, "is_new": False, "handoff": None}
    await board.task(title="free", priority=5, assignee_slugs=["engineer-2"])
    assert (await did(board, "engineer-2", "task-claim"))["task"]["title"] == "free"


async def test_a_task_that_waits_is_not_claimed_by_name_either(board, admin):
    before = await board.task()
    task = await board.task(assignee_slugs=["engineer"], depends_on=[before["id"]])
    was = await everything(admin, task)
    assert refused(await say(board, "engineer", "task-claim", task)) == (409, "dependency_open")
    assert (await did(board, "engineer", "task-claim"))["task"] is None
    assert await everything(admin, task) == was


async def test_a_closed_pool_gives_nothing(board, admin):
    task = await board.task()
    was = await everything(admin, task)
    assert (await did(board, "engineer", "task-claim"))["task"] is None
    assert (await say(board, "engineer", "task-claim", task)).status_code == 403
    assert await everything(admin, task) == was


async def test_out_of_the_open_pool_a_claim_joins_and_its_own_tasks_come_first(board):
    await desk.account(board, open_pool=True)
    await capacity(board, "engineer", 2)
    blocker = await board.task(title="ready", priority=3)
    await board.task(title="waits", priority=1, depends_on=[blocker["id"]])
    await board.task(title="mine", priority=5, assignee_slugs=["engineer"])
    claims = [await did(board, "engineer", "task-claim") for _ in range(2)]
    assert [one["task"]["title"] for one in claims] == ["mine", "ready"]
    assert [one["slug"] for one in claims[1]["task"]["assignees"]] == ["engineer"]
    assert claims[1]["task"]["status"] == "in_progress"
    assert (await did(board, "engineer-2", "task-claim"))["task"] is None


async def test_at_capacity_a_named_task_is_refused_and_an_unnamed_one_is_what_is_held(board, admin):
    first, fence = await held(board)
    second = await board.task(priority=1, assignee_slugs=["engineer"])
    was = await everything(admin, second)
    for verb, body in (("task-claim", {}), ("task-status", {"status": "in_progress"})):
        answer = await say(board, "engineer", verb, second, **body)
        assert refused(answer) == (409, "held")
        details = answer.json()["error"]["details"]
        assert (details["reason"], details["held"], details["capacity"]) == ("capacity", [first["id"]], 1)
    claimed = await did(board, "engineer", "task-claim")
    assert (claimed["is_new"], claimed["task"]["id"], claimed["lease"]["fence"]) == (False, first["id"], fence)
    assert await everything(admin, second) == was
    await capacity(board, "engineer", 2)
    assert (await did(board, "engineer", "task-claim"))["task"]["id"] == second["id"]


async def test_a_lease_that_ran_out_takes_no_room(board, admin):
    first, _ = await held(board)
    second = await board.task(assignee_slugs=["engineer"])
    await lapse(admin, first)
    await board.claim("engineer", second["id"])
    await consistent(admin)


async def test_what_is_released_goes_back_with_its_handoff(board, admin):
    task, fence = await held(board, "engineer-2")
    assert refused(await say(board, "engineer", "task-release", task)) == (409, "lease_required")
    assert refused(await say(board, "engineer", "task-release", task, fence=fence + 1)) == LOST
    released = await did(board, "engineer", "task-release", task, fence=fence, handoff=NOTES, reason="Not mine.")
    assert (released["status"], released["lease_agent_id"]) == ("assigned", None)
    assert refused(await say(board, "engineer", "task-release", task, fence=fence)) == LOST
    claimed = await did(board, "engineer-2", "task-claim")
    assert (claimed["task"]["id"], claimed["lease"]["fence"], claimed["is_new"]) == (task["id"], fence + 1, True)
    assert (claimed["handoff"]["kind"], claimed["handoff"]["summary"]) == ("release", NOTES["summary"])


async def taken_back(board, task) -> list[dict]:
    """The events of leases of that task that ran out."""
    changes = await log(board, task, "status_changed")
    return [one for one in changes if one["payload"]["rule"] == "lease_expired"]


async def test_a_lease_that_runs_out_gives_the_task_back_once_with_the_last_notes(board, admin):
    task, fence = await held(board)
    for notes in ({"summary": "older"}, NOTES):
        await did(board, "engineer", "task-heartbeat", task, fence=fence, handoff=notes)
    await lapse(admin, task)
    assert [await expire(board, task, fence) for _ in range(2)] == [True, False]
    now = await shown(board, task)
    assert (now["status"], now["lease_agent_id"], now["version"]) == ("assigned", None, task["version"] + 2)
    (event,) = await taken_back(board, task)
    assert (event["actor_kind"], event["payload"]["from"], event["payload"]["to"]) == ("system", "in_progress", "assigned")
    left = {name: value for name, value in event["payload"]["handoff"].items() if value}
    assert left == NOTES
    assert refused(await say(board, "engineer", "task-heartbeat", task, fence=fence)) == LOST
    await consistent(admin)


async def test_a_renewed_lease_is_watched_on(board, admin):
    task, fence = await held(board)
    watches = "SELECT count(*) FROM runtime_commands WHERE type = 'tasks.expire_lease'"
    assert await admin.fetchval(watches) == 1
    await admin.execute("UPDATE tasks SET lease_until = lease_until - interval '5 minutes'")
    before = (await shown(board, task))["lease_until"]
    renewed = await did(board, "engineer", "task-heartbeat", task, fence=fence)
    assert renewed["until"] > before
    assert (await shown(board, task))["version"] == task["version"] + 1
    assert await expire(board, task, fence) is False
    assert await admin.fetchval(watches) == 2
    due = "SELECT max(r.run_at) >= max(t.lease_until) - interval '1 s' FROM runtime_commands r, tasks t"
    assert await admin.fetchval(due)


async def test_a_worker_takes_back_what_nobody_renews_and_leaves_what_is_renewed(board, admin):
    await short(admin)
    kept, fence = await held(board)
    dropped, _ = await held(board, who="writer")
    ends = {(await shown(board, kept))["lease_until"]}
    async with gateways.working(board.settings):

        async def renewed() -> bool:
            ends.add((await did(board, "engineer", "task-heartbeat", kept, fence=fence, handoff=NOTES))["until"])
            return bool(await taken_back(board, dropped))

        await make.until(renewed)
        assert (await shown(board, kept))["status"] == "in_progress"
        await make.until(finds(admin, "status = 'assigned' AND lease_agent_id IS NULL HAVING count(*) = 2", table="tasks"))
    assert len(ends) > 2
    assert [len(await taken_back(board, one)) for one in (kept, dropped)] == [1, 1]
    (event,) = await taken_back(board, kept)
    assert event["payload"]["handoff"]["summary"] == NOTES["summary"]


async def test_who_claims_a_lapsed_lease_gets_the_notes_and_the_board_ends_it_no_second_time(board, admin):
    task, fence = await held(board, "engineer-2")
    await did(board, "engineer", "task-heartbeat", task, fence=fence, handoff=NOTES)
    await lapse(admin, task)
    claimed = await did(board, "engineer-2", "task-claim")
    assert (claimed["task"]["id"], claimed["lease"]["fence"], claimed["is_new"]) == (task["id"], fence + 1, True)
    (left,) = (await did(board, "engineer-2", "task-load", task))["handoffs"]
    assert (left["kind"], left["summary"]) == ("expiry", NOTES["summary"])
    assert claimed["handoff"]["summary"] == NOTES["summary"]
    assert await expire(board, task, fence) is False
    assert refused(await say(board, "engineer", "task-heartbeat", task, fence=fence)) == LOST
    assert await taken_back(board, task) == []
    (event,) = await log(board, task, "claimed")
    assert event["payload"]["lease_ended"]["fence"] == fence
    await consistent(admin)


async def test_the_holder_of_a_lapsed_lease_may_claim_it_anew(board, admin):
    task, fence = await held(board)
    await lapse(admin, task)
    claimed = await did(board, "engineer", "task-claim", task)
    assert (claimed["is_new"], claimed["lease"]["fence"]) == (True, fence + 1)
    await consistent(admin)


async def test_a_task_of_another_account_is_not_there(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        task, fence = await held(mine)
        for verb in ("task-claim", "task-heartbeat", "task-release"):
            body = {} if verb == "task-claim" else {"fence": fence}
            answers = [await say(theirs, "engineer", verb, {"id": one}, **body) for one in (task["id"], str(uuid4()))]
            assert [refused(one) for one in answers] == [(404, "not_found")] * 2
            details = [one.json()["error"] for one in answers]
            assert details[0].keys() == details[1].keys()
            assert details[0]["details"].keys() == details[1]["details"].keys()
