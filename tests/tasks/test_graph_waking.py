"""Who hears when what a task waits for is done, reopened or archived; and what becomes of the sub-tasks of what is archived."""

import pytest

from tests.policies import desk
from tests.tasks.webs import brought, details, edit, finish, graph, log, move, path, refusal, shown, told


async def test_the_last_dependency_done_wakes_the_assignees_once(board):
    first, second = await board.task(), await board.task()
    task = await board.task(title="T", depends_on=[first["id"], second["id"]], assignee_slugs=["engineer", "writer"])
    await finish(board, first)
    assert await told(board, task, "ready") == []
    await finish(board, second)
    assert sorted(await told(board, task, "ready", title="Nothing is left to wait for: T")) == ["engineer", "writer"]
    await move(board, second, "archived")
    assert len(await told(board, task, "ready")) == 2
    event = (await log(board, task))[-1]
    assert (event["type"], event["payload"]["tasks"]) == ("board:task:ready", [second["id"]])
    assert (event["sequence"], (await shown(board, task))["version"]) == (2, 2)


async def test_an_unassigned_task_that_is_ready_is_the_orchestrators(board):
    first = await board.task()
    task = await board.task(depends_on=[first["id"]])
    await finish(board, first)
    assert await told(board, task, "ready") == ["orchestrator"]


async def test_an_agent_that_finishes_the_last_dependency_of_its_own_task_hears_of_it(board):
    first = await desk.in_review(board, "engineer")
    task = await board.task(depends_on=[first["id"]], assignee_slugs=["reviewer"])
    assert await desk.close(board, "reviewer", first) == desk.CLOSED
    assert await told(board, task, "ready") == ["reviewer"]


async def test_a_person_that_finishes_it_is_not_told_what_it_did(board):
    first = await board.task()
    task = await board.task(depends_on=[first["id"]], assignee_emails=["owner@example.com"])
    await finish(board, first)
    assert await told(board, task, "ready") == []


@pytest.mark.parametrize(("slugs", "hears"), [(["engineer"], "engineer"), ([], "orchestrator")])
async def test_the_last_sub_task_done_wakes_who_goes_on_with_the_parent(board, slugs, hears):
    parent = await board.task(title="P", assignee_slugs=slugs)
    first, second = [await board.task(parent_id=parent["id"]) for _ in range(2)]
    await finish(board, first)
    assert await told(board, parent, "ready") == []
    await finish(board, second)
    assert await told(board, parent, "ready", title="No sub-task is open any more: P") == [hears]


async def test_sub_tasks_of_a_task_that_still_waits_wake_nobody(board):
    first = await board.task()
    parent = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
    child = await board.task(parent_id=parent["id"])
    await finish(board, child)
    assert await told(board, parent, "ready") == []
    await finish(board, first)
    assert await told(board, parent, "ready") == ["engineer"]


async def test_a_parent_in_review_goes_to_who_may_close_it_now(board):
    parent = await desk.in_review(board, "engineer")
    child = await board.task(parent_id=parent["id"])
    await finish(board, child)
    assert await told(board, parent, "status_change", title="No sub-task is open any more") == ["reviewer"]
    assert await told(board, parent, "ready") == []


async def test_the_last_open_sub_task_that_leaves_or_is_archived_wakes_too(board):
    parents = [await board.task(assignee_slugs=["engineer"]) for _ in range(2)]
    children = [await board.task(parent_id=parent["id"]) for parent in parents]
    await edit(board, children[0], parent_id=None)
    await move(board, children[1], "archived")
    assert [await told(board, parent, "ready") for parent in parents] == [["engineer"], ["engineer"]]


async def test_a_reopened_dependency_stops_who_has_not_started_and_tells_who_has(board):
    first = await board.task(title="F")
    waiting = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
    started = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
    await finish(board, first)
    await brought(board, started, "in_progress")
    assert (await board.person.post(path(first, "reopen"), json={})).status_code == 200
    title = "reopened what this waits for"
    assert await told(board, started, "status_change", title=title) == ["engineer"]
    assert await told(board, waiting, "status_change", title=title) == []
    assert (await shown(board, started))["status"] == "in_progress"
    assert refusal(await move(board, waiting, "in_progress")) == (409, "dependency_open")
    assert [one["payload"]["because"] for one in await log(board, waiting, "waiting")] == ["reopened"]
    await move(board, first, "done")
    assert await told(board, waiting, "ready") == ["engineer", "engineer"]


async def test_a_done_task_that_is_restored_from_the_archive_is_waited_for_again(board):
    first = await board.task()
    task = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
    await finish(board, first)
    await move(board, first, "archived")
    await board.person.post(path(first, "restore"), json={})
    assert refusal(await move(board, task, "in_progress")) == (409, "dependency_open")


async def test_a_dependency_archived_before_it_was_done_blocks_and_is_told_once(board):
    first = await board.as_("orchestrator").post("/agent/task-create", json={"title": "F"})
    task = await board.as_("orchestrator").post("/agent/task-create", json={"title": "T", "depends_on": [first.json()["id"]]})
    first, task = first.json(), task.json()
    await board.person.post(path(task, "assign"), json={"assignee_slugs": ["engineer"], "assignee_emails": ["owner@example.com"]})
    await desk.account(board, orchestrator_agent_id=await board.agent_id("reviewer"))
    await move(board, first, "archived")
    title = "archived what this waits for: T"
    assert await told(board, task, "status_change", title=title) == ["reviewer"]
    answer = await move(board, task, "in_progress")
    assert (refusal(answer), details(answer)["dependencies"][0]["status"]) == ((409, "dependency_archived"), "archived")
    await edit(board, first, title="F, not wanted")
    await edit(board, task, title="T2")
    assert len(await told(board, task, "status_change", title="archived what this waits for")) == 1
    assert (await edit(board, task, depends_on=[])).status_code == 200
    assert sorted(await told(board, task, "ready")) == ["engineer"]
    assert (await move(board, task, "in_progress")).status_code == 200


async def test_people_hear_of_a_dependency_that_another_person_archived(board, admin):
    first, other = await board.task(), await desk.person(board, admin, "member")
    task = await board.task(depends_on=[first["id"]], assignee_emails=[other])
    archived = await board.as_(other).post(path(first, "status"), json={"status": "archived"})
    assert archived.status_code == 200
    # The owner made it; who archived it knows.
    assert sorted(await told(board, task, "status_change", title="archived what this waits for")) == ["orchestrator", "person"]


async def test_archiving_a_parent_asks_what_becomes_of_its_open_sub_tasks(board):
    parent = await board.task()
    child = await board.task(title="child", parent_id=parent["id"])
    answer = await move(board, parent, "archived")
    assert (refusal(answer), details(answer)["requirement"]) == ((422, "requirement_failed"), "children")
    assert details(answer)["children"] == [{"id": child["id"], "title": "child", "status": "inbox"}]
    assert (await shown(board, parent))["status"] == "inbox"
    await finish(board, child)
    assert (await move(board, parent, "archived")).status_code == 200


async def test_archiving_a_parent_takes_the_open_tasks_below_it_along(board, admin):
    above = await board.task(assignee_slugs=["writer"])
    parent = await board.task(parent_id=above["id"])
    done, child = await board.task(parent_id=parent["id"]), await board.task(parent_id=parent["id"], assignee_slugs=["engineer"])
    below = await board.task(parent_id=child["id"])
    outside = await board.task(depends_on=[below["id"], child["id"]], assignee_slugs=["writer"])
    await finish(board, done)
    fence = await board.claim("engineer", child["id"])
    assert (await move(board, parent, "archived", children="archive", reason="not wanted")).status_code == 200
    assert [(await shown(board, one))["status"] for one in (parent, child, below, done)] == ["archived"] * 3 + ["done"]
    event = (await log(board, child))[-1]
    assert (event["type"], event["payload"]["archived_with"]) == ("board:task:status_changed", parent["id"])
    assert event["payload"]["lease_ended"]["fence"] == fence
    assert (event["sequence"], event["payload"]["reason"]) == ((await shown(board, child))["version"], "not wanted")
    beat = await board.as_("engineer").post("/agent/task-heartbeat", json={"task_id": child["id"], "fence": fence})
    assert refusal(beat) == (409, "lease_lost")
    assert await admin.fetchval("SELECT count(*) FROM agent_sessions WHERE task_id = $1 AND closed_at IS NULL", child["id"]) == 0
    assert await told(board, outside, "status_change", title="archived what this waits for") == ["orchestrator"]
    assert await told(board, above, "ready") == ["writer"]


async def test_archiving_a_parent_may_set_its_sub_tasks_free(board):
    parent = await board.task()
    child = await board.task(parent_id=parent["id"])
    below = await board.task(parent_id=child["id"])
    assert (await move(board, parent, "archived", children="detach")).status_code == 200
    assert ((await shown(board, child))["parent_id"], (await shown(board, child))["status"]) == (None, "inbox")
    assert (await shown(board, below))["parent_id"] == child["id"]
    payload = (await log(board, child))[-1]["payload"]
    assert payload["parent_id"] == {"from": parent["id"], "to": None}
    assert (await graph(board, parent))["children"] == []
