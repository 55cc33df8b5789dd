"""`task-why` on the board: what it says can be done by whom it says."""

import asyncio
import random
from typing import Any
from uuid import uuid4

import pytest

from tests import boards
from tests.agentapi import trying
from tests.agentapi.looking import capacity, look, move, say
from tests.agentapi.worlds import CREW, populated, principals
from tests.make import ORIGIN
from tests.policies import desk


async def why(board, task: Any) -> dict[str, Any]:
    answer = await board.person.get(f"/api/v1/tasks/{task['id']}/why")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def slugs(found: dict[str, Any]) -> list[str]:
    return [one["slug"] or one["email"] for one in found["who"]]


async def test_people_and_agents_get_the_same_answer(board):
    task = await board.task(assignee_slugs=["engineer"])
    found = await why(board, task)
    assert found == await say(board, "writer", "task-why", task_id=task["id"])
    assert (found["waits_for"], slugs(found), found["status"]) == ("assignee_to_start", ["engineer"], "assigned")
    assert found["next_verb"] == {"verb": "task-claim", "arguments": {}, "needs": []}


async def test_it_says_whether_the_assignee_was_told(board, admin):
    task = await board.task(assignee_slugs=["engineer"])

    async def told() -> dict[str, Any]:
        found: dict[str, Any] = (await why(board, task))["details"]["told"][0]
        return found

    assert (await told())["state"] == "queued"
    assert (await told())["offered_at"] is None
    work = (await look(board, "engineer")).json()
    assert (await told())["offered_at"] is not None
    await look(board, "engineer", ack=(work["ack"],))
    assert (await told())["state"] == "delivered"
    await admin.execute("UPDATE notifications SET state = 'dead', reason = 'no_endpoint'")
    assert ((await told())["state"], (await told())["reason"]) == ("dead", "no_endpoint")
    await admin.execute("DELETE FROM notifications")
    assert await told() == {"slug": "engineer", "state": "not_told"}


async def test_who_holds_it_and_until_when(board):
    task = await board.task(assignee_slugs=["engineer"])
    claim = await say(board, "engineer", "task-claim", task_id=task["id"])
    found = await why(board, task)
    assert (found["waits_for"], slugs(found), found["until"]) == ("held", ["engineer"], claim["lease"]["until"])
    assert "fence" not in found["details"]


async def test_a_lease_that_ran_out_is_the_boards_to_take_back(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await board.claim("engineer", task["id"])
    await admin.execute("UPDATE tasks SET lease_until = now() - interval '1 second'")
    found = await why(board, task)
    assert (found["waits_for"], [one["kind"] for one in found["who"]]) == ("lease_ran_out", ["system"])
    assert [one["waits_for"] for one in found["also"]] == ["rework_to_claim"]


async def test_which_dependency_it_waits_for(board):
    before = await board.task(title="before")
    task = await board.task(assignee_slugs=["engineer"], depends_on=[before["id"]])
    found = await why(board, task)
    assert found["waits_for"] == "dependency_open"
    assert [one["id"] for one in found["details"]["dependencies"]] == [before["id"]]
    assert found["next_verb"] == {"verb": "task-why", "arguments": {"task_id": before["id"]}, "needs": []}
    await move(board, before, "archived")
    found = await why(board, task)
    assert (found["waits_for"], slugs(found)[-1]) == ("dependency_archived", boards.OWNER)


async def test_an_assignee_at_its_capacity_is_shown_with_what_it_holds(board):
    first, second = [await board.task(title=title, assignee_slugs=["engineer"]) for title in ("first", "second")]
    await board.claim("engineer", first["id"])
    found = await why(board, second)
    assert (found["waits_for"], slugs(found)) == ("assignee_at_capacity", ["engineer"])
    (held,) = found["details"]["agents"]
    assert (held["capacity"], [one["id"] for one in held["holds"]]) == (1, [first["id"]])
    await capacity(board, "engineer", 2)
    assert (await why(board, second))["waits_for"] == "assignee_to_start"


@pytest.mark.parametrize(("flag", "retired", "reason"), [(False, False, "capability_denied"), (None, True, "agent_retired")])
async def test_an_assignee_that_cannot_is_named_with_the_reason(board, flag, retired, reason):
    task = await board.task(assignee_slugs=["engineer"])
    await desk.flags(board, "engineer", can_modify_task_status=flag)
    if retired:
        path = f"/api/v1/agents/{await board.agent_id('engineer')}"
        assert (await board.person.patch(path, json={"retired": True})).status_code == 200
    found = await why(board, task)
    assert found["waits_for"] == "assignee_cannot"
    assert [(one["slug"], one["reason"]) for one in found["details"]["assignees"]] == [("engineer", reason)]
    assert slugs(found) == ["orchestrator", boards.OWNER]


async def test_nobody_on_it_is_the_orchestrators_or_the_pools(board):
    task = await board.task()
    found = await why(board, task)
    assert (found["waits_for"], slugs(found)) == ("orchestrator_to_assign", ["orchestrator"])
    await desk.account(board, open_pool=True)
    found = await why(board, task)
    assert (found["waits_for"], "engineer" in slugs(found)) == ("unowned", True)
    await desk.account(board, open_pool=False, orchestrator_agent_id=None)
    found = await why(board, task)
    assert (found["waits_for"], slugs(found)) == ("unowned", [boards.OWNER])


async def test_why_it_is_blocked_and_since_when(board):
    task = await board.task(assignee_slugs=["engineer"])
    fence = await board.claim("engineer", task["id"])
    body = {"task_id": task["id"], "status": "blocked", "blocked_reason": "no access", "fence": fence}
    await say(board, "engineer", "task-status", **body)
    await say(board, "engineer", "task-message", task_id=task["id"], content="still nothing")
    found = await why(board, task)
    history = (await board.person.get(f"/api/v1/tasks/{task['id']}/events?limit=200")).json()["items"]
    moved = [one["at"] for one in history if one["type"] == "board:task:status_changed"][-1]
    assert (found["waits_for"], found["details"]) == ("blocked", {"blocked_reason": "no access", "since": moved})
    assert slugs(found)[:2] == ["engineer", "orchestrator"]


async def test_who_closes_it_and_who_is_kept_out(board):
    await desk.flags(board, "writer", is_reviewer=True)
    task = await desk.in_review(board, "writer")
    found = await why(board, task)
    assert (found["waits_for"], slugs(found), found["details"]["party"]) == ("reviewer_to_close", ["reviewer"], "reviewers")
    assert [(one["slug"], one["reason"]) for one in found["details"]["kept_out"]] == [
        ("orchestrator", "reviewer_required"),
        ("writer", "self_review"),
    ]
    await board.claim("reviewer", task["id"])
    assert (await why(board, task))["waits_for"] == "review_held"


async def test_a_person_closes_what_no_agent_may(board):
    task = await desk.in_review(board)
    await desk.flags(board, "reviewer", can_mark_done=False)
    found = await why(board, task)
    assert (found["waits_for"], slugs(found), found["details"]["party"]) == ("reviewer_to_close", [boards.OWNER], "people")
    assert found["next_verb"] is None


async def test_evidence_and_sub_tasks_stand_before_the_reviewer(board):
    task = await board.task(assignee_slugs=["engineer"], acceptance_criteria=["it works"])
    child = await board.task(title="below", parent_id=task["id"])
    await move(board, task, "in_progress", "review")
    await desk.account(board, evidence="claimed")
    found = await why(board, task)
    assert [found["waits_for"], *(one["waits_for"] for one in found["also"])] == [
        "open_children",
        "evidence_missing",
        "reviewer_to_close",
    ]
    assert found["details"]["children"][0]["id"] == child["id"]
    (lacking,) = found["also"][0]["details"]["criteria"]
    assert (lacking["text"], lacking["gap"]) == ("it works", "unjudged")


async def test_rework_waits_to_be_claimed(board):
    task = await desk.in_review(board)
    await say(board, "reviewer", "task-status", task_id=task["id"], status="in_progress", reason="again")
    found = await why(board, task)
    assert (found["waits_for"], slugs(found)) == ("rework_to_claim", ["engineer"])


async def test_a_person_at_work_is_named(board):
    task = await board.task(assignee_emails=[boards.OWNER])
    assert (await why(board, task))["waits_for"] == "assignee_to_start"
    await move(board, task, "in_progress")
    found = await why(board, task)
    assert (found["waits_for"], slugs(found)) == ("person_at_work", [boards.OWNER])


async def test_closed_tasks_say_who_opens_them(board):
    task = await board.task()
    await move(board, task, "archived")
    found = await why(board, task)
    assert (found["waits_for"], slugs(found), found["next_verb"]) == ("closed", [boards.OWNER], None)


async def test_a_task_that_is_not_there_is_absent_for_everybody(board):
    body = {"task_id": str(uuid4())}
    assert (await board.as_("engineer").post("/agent/task-why", json=body)).status_code == 404
    assert (await board.person.get(f"/api/v1/tasks/{body['task_id']}/why")).status_code == 404
    assert (await board.person.get("/api/v1/tasks/none/why")).status_code == 404


async def test_a_viewer_may_ask(board, admin):
    viewer = await desk.person(board, admin, "viewer")
    task = await board.task()
    assert (await board.as_(viewer).get(f"/api/v1/tasks/{task['id']}/why")).status_code == 200


async def test_asking_waits_for_nobody(board):
    """The row is locked by somebody who takes long, and both questions are answered meanwhile."""
    task = await board.task(assignee_slugs=["engineer"])
    asked = {"action": "task.move", "status": "done", "agent_slug": "engineer", "task_id": task["id"]}
    async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
        await tx.row("SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE", task["id"])
        explain = board.person.post("/api/v1/policies/explain", json=asked)
        answers = await asyncio.gather(board.person.get(f"/api/v1/tasks/{task['id']}/why"), explain)
    assert [one.status_code for one in answers] == [200, 200]


SETTINGS: list[dict[str, Any]] = [{"open_pool": True, "evidence": "claimed"}, {"self_review": "allow", "evidence": "checked"}]


async def does(board, who: dict[str, Any], slug: str, found: dict[str, Any], task: str) -> bool:
    """Whether the agent gets through with what the answer tells it to do."""
    step = found["next_verb"]
    card, scene = await trying.seen(board, who[slug], task)
    statuses = [{"status": goal} for goal in ("review", "blocked", "done")] if "status" in step["needs"] else [{}]
    for more in statuses:
        arguments = step["arguments"] | more
        given = trying.body(who[slug], card, scene, step["verb"], arguments)
        if step["verb"] == trying.UPDATE:
            del given["labels"]
        for name, value in (("depends_on", []), ("acceptance_criteria", ["something"])):
            given |= {name: value} if name in step["needs"] else {}
        if "artifact" in step["needs"]:
            given |= {"verdict": "machine_checked", "artifact": "log.txt", "artifact_hash": "a" * 64}
        if await trying.works(board, who[slug], step["verb"], given):
            return True
    return False


@pytest.mark.parametrize("seed", range(len(SETTINGS)))
async def test_whoever_is_named_gets_through_with_the_verb_that_is_named(board, admin, seed):
    chance = random.Random(seed)
    for slug in CREW:
        await capacity(board, slug, 20)
    who = await principals(board)
    tasks = await populated(board, chance, who)
    for slug in CREW:
        await capacity(board, slug, chance.choice((1, 2, 20)))
    await board.person.patch("/api/v1/account", json=SETTINGS[seed])
    wrong, tried = [], 0
    for task in tasks:
        found = await why(board, {"id": task})
        if found["next_verb"] is None or found["next_verb"]["verb"] in ("task-why", "task-release"):
            continue
        for one in found["who"]:
            if one["slug"] is not None:
                tried += 1
                wrong += [] if await does(board, who, one["slug"], found, task) else [(found, one["slug"])]
    assert wrong == []
    assert tried > 5
