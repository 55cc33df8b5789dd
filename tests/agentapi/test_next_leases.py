"""`next` and who holds what, what waits for what, and what an office looks after."""

import asyncio
from uuid import UUID

import pytest

from app.accounts.queries import AUTHENTICATE
from app.kernel import db
from tests import boards
from tests.agentapi.looking import capacity, look, move, say, shown, taken
from tests.kernel.test_sql import Counted
from tests.policies import desk


async def held_review(board, reviewer: str) -> dict:
    task = await desk.in_review(board)
    await board.claim(reviewer, task["id"])
    return task


async def test_what_is_held_is_shown_with_its_lease_and_nothing_new_beside_it(board):
    task = await board.task(title="mine", assignee_slugs=["engineer"])
    await board.task(title="more", assignee_slugs=["engineer"], priority=1)
    fence = await board.claim("engineer", task["id"])
    await taken(board, "engineer")
    work = (await look(board, "engineer")).json()
    assert (work["reason"], work["task"]["title"], work["kind"]) == ("held", "mine", "task")
    assert [(one["task_id"], one["fence"]) for one in work["held"]] == [(task["id"], fence)]


async def test_an_agent_with_room_is_shown_more_until_it_is_full(board):
    await capacity(board, "engineer", 2)
    first, second = [await board.task(title=title, assignee_slugs=["engineer"]) for title in ("first", "second")]
    await board.claim("engineer", first["id"])
    assert await shown(board, "engineer") == [("assigned", "second")]
    await board.claim("engineer", second["id"])
    work = (await look(board, "engineer")).json()
    assert (work["reason"], work["task"]["title"]) == ("held", "first")
    assert len(work["held"]) == 2


async def test_at_capacity_notifications_still_come(board):
    task = await board.task(assignee_slugs=["engineer"])
    await board.claim("engineer", task["id"])
    await taken(board, "engineer")
    await board.task(title="More", assignee_slugs=["engineer"])
    work = (await look(board, "engineer")).json()
    assert (work["kind"], work["notification"]["type"]) == ("notification", "assignment")
    assert [one["task_id"] for one in work["held"]] == [task["id"]]


async def test_what_another_holds_is_not_shown(board):
    task = await board.task(assignee_slugs=["engineer", "engineer-2"])
    await board.claim("engineer-2", task["id"])
    assert await shown(board, "engineer") == []
    fence = await board.claim("engineer-2", task["id"])
    await say(board, "engineer-2", "task-release", task_id=task["id"], fence=fence)
    assert await shown(board, "engineer") == [("assigned", "A task")]


async def test_a_lease_that_ran_out_hides_nothing_even_before_the_board_ends_it(board, admin):
    task = await board.task(assignee_slugs=["engineer", "engineer-2"])
    await board.claim("engineer-2", task["id"])
    await admin.execute("UPDATE tasks SET lease_until = now() - interval '1 second'")
    assert await shown(board, "engineer") == [("in_progress", "A task")]
    assert (await look(board, "engineer")).json()["held"] == []


async def test_what_waits_for_another_task_is_not_shown_until_that_is_done(board):
    before = await board.task(title="before")
    task = await board.task(title="after", assignee_slugs=["engineer"], depends_on=[before["id"]])
    assert await shown(board, "engineer") == []
    await board.person.post(f"/api/v1/tasks/{before['id']}/assign", json={"assignee_slugs": ["writer"]})
    await move(board, before, "in_progress", "review", "done")
    work = (await look(board, "engineer")).json()
    assert (work["notification"]["type"], work["task"]["id"]) == ("ready", task["id"])
    assert await shown(board, "engineer") == [("assigned", "after")]


async def test_work_that_was_begun_is_shown_although_what_it_waits_for_is_open_again(board):
    before = await board.task(title="before", assignee_slugs=["writer"])
    task = await board.task(title="after", assignee_slugs=["engineer"], depends_on=[before["id"]])
    await move(board, before, "in_progress", "review", "done")
    await move(board, task, "in_progress")
    assert (await board.person.post(f"/api/v1/tasks/{before['id']}/reopen", json={})).status_code == 200
    assert await shown(board, "engineer") == [("in_progress", "after")]


async def test_rework_that_nobody_holds_comes_before_what_was_not_begun(board):
    task = await desk.in_review(board)
    await board.task(title="urgent", priority=1, assignee_slugs=["engineer"])
    await say(board, "reviewer", "task-status", task_id=task["id"], status="in_progress", reason="not yet")
    assert await shown(board, "engineer") == [("in_progress", "A task")]


async def test_without_the_open_pool_nobody_is_shown_what_nobody_is_on(board):
    await board.task(title="loose")
    assert await shown(board, "engineer") == []


async def test_the_open_pool_is_shown_to_who_may_take_from_it(board):
    await desk.account(board, open_pool=True)
    await desk.flags(board, "writer", can_modify_task_status=False)
    loose = await board.task(title="loose")
    await board.task(title="waits", priority=1, depends_on=[loose["id"]])
    assert await shown(board, "engineer") == [("open_pool", "loose")]
    assert await shown(board, "writer") == []
    # Handing out comes before taking.
    assert await shown(board, "orchestrator") == [("unassigned", "waits")]
    await say(board, "engineer", "task-claim", task_id=loose["id"])
    assert await shown(board, "engineer-2") == []
    assert await shown(board, "engineer") == [("held", "loose")]


async def test_what_an_agent_was_given_comes_before_the_pool(board):
    await desk.account(board, open_pool=True)
    await board.task(title="loose", priority=1)
    await board.task(title="given", priority=5, assignee_slugs=["engineer"])
    assert await shown(board, "engineer") == [("assigned", "given")]


async def test_a_review_that_somebody_holds_is_not_shown_to_the_other_reviewer(board):
    await desk.flags(board, "writer", is_reviewer=True)
    task = await held_review(board, "reviewer")
    assert await shown(board, "writer") == []
    assert await shown(board, "reviewer") == [("held", "A task")]
    fence = await board.claim("reviewer", task["id"])
    await say(board, "reviewer", "task-release", task_id=task["id"], fence=fence)
    assert await shown(board, "writer") == [("review_wanted", "A task")]


async def test_a_reviewer_that_may_not_close_is_shown_no_review(board):
    await desk.in_review(board)
    await desk.flags(board, "reviewer", can_mark_done=False)
    assert await shown(board, "reviewer") == []


async def test_work_that_was_dropped_is_shown_to_the_orchestrator_after_a_while(board, admin):
    dropped = await board.task(title="dropped", assignee_slugs=["engineer"])
    await move(board, dropped, "in_progress")
    await move(board, await board.task(title="by hand", assignee_emails=[boards.OWNER]), "in_progress")
    worked = await board.task(title="worked", assignee_slugs=["engineer-2"])
    await board.claim("engineer-2", worked["id"])
    await admin.execute("UPDATE tasks SET updated_at = updated_at - interval '20 minutes'")
    assert await shown(board, "orchestrator") == [("stuck", "dropped")]
    await admin.execute("UPDATE tasks SET lease_until = now() - interval '20 minutes' WHERE title = 'worked'")
    await move(board, dropped, "archived")
    assert await shown(board, "orchestrator") == [("stuck", "worked")]


async def test_the_etag_follows_the_lease_and_not_the_heartbeat(board):
    task = await board.task(assignee_slugs=["engineer"])
    await taken(board, "engineer")
    agent = board.as_("engineer")

    async def tag() -> str:
        return str((await agent.get("/agent/next?wait=0")).headers["ETag"])

    offered = await tag()
    fence = await board.claim("engineer", task["id"])
    held = await tag()
    await say(board, "engineer", "task-heartbeat", task_id=task["id"], fence=fence)
    assert await tag() == held
    await say(board, "engineer", "task-release", task_id=task["id"], fence=fence)
    assert len({offered, held, await tag()}) == 3


async def test_the_etag_follows_a_lease_that_runs_out_unseen(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await board.claim("engineer", task["id"])
    await taken(board, "engineer")
    before = await board.as_("engineer").get("/agent/next?wait=0")
    await admin.execute("UPDATE tasks SET lease_until = now() - interval '1 second'")
    after = await board.as_("engineer").get("/agent/next?wait=0", headers={"If-None-Match": before.headers["ETag"]})
    assert (before.json()["reason"], after.status_code, after.json()["reason"]) == ("held", 200, "in_progress")


async def test_the_etag_follows_what_else_is_held(board):
    await capacity(board, "engineer", 3)
    held = await board.task(title="held", priority=5, assignee_slugs=["engineer"])
    await board.task(title="offered", priority=1, assignee_slugs=["engineer"])
    fence = await board.claim("engineer", held["id"])
    await taken(board, "engineer")
    before = await board.as_("engineer").get("/agent/next?wait=0")
    await say(board, "engineer", "task-release", task_id=held["id"], fence=fence)
    after = await board.as_("engineer").get("/agent/next?wait=0", headers={"If-None-Match": before.headers["ETag"]})
    assert [one.json()["task"]["title"] for one in (before, after)] == ["offered", "offered"]
    assert after.json()["held"] == []


async def test_two_calls_at_once_are_offered_two_notifications(board):
    for number in range(4):
        await board.task(title=f"Task {number}", assignee_slugs=["engineer"])
    answers = await asyncio.gather(*(look(board, "engineer") for _ in range(4)))
    offered = [one.json()["ack"] for one in answers]
    assert len(set(offered)) == len(offered) == 4
    assert None not in offered


async def test_an_acknowledgement_and_the_next_offer_are_one_call(board, admin):
    for number in range(2):
        await board.task(title=f"Task {number}", assignee_slugs=["engineer"])
    first = (await look(board, "engineer")).json()
    # Long ago, so that it would be offered again.
    await admin.execute("UPDATE notifications SET offered_at = offered_at - interval '61 seconds'")
    second = (await look(board, "engineer", ack=(first["ack"],))).json()
    assert second["ack"] not in (None, first["ack"])
    query = "SELECT state FROM notifications WHERE id = $1"
    assert await admin.fetchval(query, UUID(first["ack"])) == "delivered"


async def sent(call) -> int:
    """Statements of one call by somebody who is known."""
    Counted.begin()
    answer = await call()
    assert answer.status_code in (200, 204), answer.text
    return len([query for query in Counted.sent if query != AUTHENTICATE])


@pytest.fixture
async def counted(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.in_own_task(lambda: boards.opened(urls[1])) as opened:
        yield opened


async def test_next_takes_three_round_trips_for_nothing_and_four_for_work(counted):
    board = counted
    found = {}
    await look(board, "engineer")
    found["nothing"] = await sent(lambda: look(board, "engineer"))
    tasks = [await board.task(title=f"Task {number}", assignee_slugs=["engineer"]) for number in range(2)]
    offers = [await look(board, "engineer")]
    found["notification"] = await sent(lambda: look(board, "engineer"))
    ack = offers[0].json()["ack"]
    found["acknowledged"] = await sent(lambda: look(board, "engineer", ack=(ack,)))
    found["task"] = await sent(lambda: look(board, "engineer"))
    await board.claim("engineer", tasks[0]["id"])
    found["held"] = await sent(lambda: look(board, "engineer"))
    await look(board, "orchestrator")
    found["office, nothing"] = await sent(lambda: look(board, "orchestrator"))
    await board.task(title="loose")
    await taken(board, "orchestrator")
    found["office"] = await sent(lambda: look(board, "orchestrator"))
    assert found == {
        "nothing": 3,
        "notification": 4,
        "acknowledged": 4,
        "task": 4,
        "held": 4,
        "office, nothing": 4,
        "office": 5,
    }
