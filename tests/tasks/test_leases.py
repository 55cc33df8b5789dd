"""Fences: what a write on a held task must show, and whom the board lets write without."""

from typing import Any

import pytest

from tests.policies import desk
from tests.tasks.holders import did, everything, expire, held, lapse, refused, say

WRITES: dict[str, dict[str, Any]] = {
    "task-status": {"status": "review"},
    "task-update": {"title": "Another title"},
    "task-evidence": {"position": 1, "is_met": True},
    "task-link-pr": {"vcs_ref": {"provider": "forge", "url": "https://forge.example.com/1"}},
}
REQUIRED, LOST, HELD = (409, "lease_required"), (409, "lease_lost"), (409, "held")
writes = pytest.mark.parametrize(("verb", "body"), WRITES.items(), ids=WRITES)


@writes
async def test_a_holder_that_shows_no_fence_changes_nothing(board, admin, verb, body):
    task, _ = await held(board)
    before = await everything(admin, task)
    answer = await say(board, "engineer", verb, task, **body)
    assert refused(answer) == REQUIRED
    assert answer.json()["error"]["details"]["held_by"] == "engineer"
    assert await everything(admin, task) == before


@writes
async def test_a_stale_fence_changes_nothing(board, admin, verb, body):
    task, fence = await held(board)
    await did(board, "engineer", "task-release", task, fence=fence)
    assert await board.claim("engineer", task["id"]) == fence + 1
    before = await everything(admin, task)
    for stale in (fence, fence + 2):
        assert refused(await say(board, "engineer", verb, task, fence=stale, **body)) == LOST
    assert await everything(admin, task) == before


@writes
async def test_a_fence_whose_lease_ran_out_changes_nothing_even_before_the_board_ends_it(board, admin, verb, body):
    task, fence = await held(board)
    await lapse(admin, task)
    before = await everything(admin, task)
    assert refused(await say(board, "engineer", verb, task, fence=fence, **body)) == LOST
    assert refused(await say(board, "engineer", verb, task, **body)) == REQUIRED
    assert await everything(admin, task) == before


@writes
async def test_the_fence_of_another_is_of_no_use(board, admin, verb, body):
    task, fence = await held(board, "engineer-2")
    before = await everything(admin, task)
    assert refused(await say(board, "engineer-2", verb, task, **body)) == HELD
    assert refused(await say(board, "engineer-2", verb, task, fence=fence, **body)) == LOST
    assert await everything(admin, task) == before


@writes
async def test_the_fence_counts_in_the_header_as_in_the_body(board, verb, body):
    task, fence = await held(board)
    assert refused(await say(board, "engineer", verb, task, fence_header=fence + 1, **body)) == LOST
    await did(board, "engineer", verb, task, fence_header=fence, **body)


@writes
async def test_two_fences_that_differ_are_refused_and_two_that_agree_are_one(board, admin, verb, body):
    task, fence = await held(board)
    before = await everything(admin, task)
    for said in (fence + 1, "x", "", "-1"):
        answer = await say(board, "engineer", verb, task, fence_header=said, fence=fence, **body)
        assert refused(answer) == (422, "validation_failed"), said
    assert await everything(admin, task) == before
    await did(board, "engineer", verb, task, fence_header=fence, fence=fence, **body)


@writes
async def test_work_begun_that_nobody_holds_is_claimed_before_it_is_written_on(board, admin, verb, body):
    task, _ = await held(board, "engineer-2")
    await did(board, "orchestrator", "task-status", task, status="blocked", blocked_reason="wait")
    await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "in_progress"})
    before = await everything(admin, task)
    assert refused(await say(board, "engineer-2", verb, task, **body)) == REQUIRED
    assert await everything(admin, task) == before


async def test_an_assignee_that_starts_a_task_holds_it_and_a_second_one_does_not(board, admin):
    task = await board.task(assignee_slugs=["engineer", "engineer-2"])
    started = await did(board, "engineer", "task-status", task, status="in_progress")
    assert (started["lease"]["kind"], started["status"]) == ("work", "in_progress")
    before = await everything(admin, task)
    for verb, body in (("task-status", {"status": "in_progress"}), ("task-claim", {})):
        answer = await say(board, "engineer-2", verb, task, **body)
        assert refused(answer) == HELD
        details = answer.json()["error"]["details"]
        assert (details["reason"], details["held_by"], details["until"]) == ("holder", "engineer", started["lease"]["until"])
    assert await everything(admin, task) == before
    await did(board, "engineer", "task-update", task, title="Mine", fence=started["lease"]["fence"])


async def test_messages_need_no_fence(board):
    task, _ = await held(board, "engineer-2")
    for who in ("engineer", "engineer-2", "orchestrator"):
        await did(board, who, "task-message", task, content="A word.")


@pytest.mark.parametrize("goal", ["review", "blocked"])
async def test_moving_a_task_on_ends_the_lease(board, admin, goal):
    task, fence = await held(board)
    moved = await did(board, "engineer", "task-status", task, status=goal, fence=fence, blocked_reason="b")
    assert (moved["status"], moved["lease_agent_id"], moved["lease_until"]) == (goal, None, None)
    assert refused(await say(board, "engineer", "task-heartbeat", task, fence=fence)) == LOST
    assert refused(await say(board, "engineer", "task-update", task, title="T", fence=fence)) == LOST


@pytest.mark.parametrize(
    ("who", "goal"),
    [
        ("orchestrator", "review"),
        ("orchestrator", "blocked"),
        ("person", "review"),
        ("person", "blocked"),
        ("person", "archived"),
    ],
)
async def test_who_directs_the_work_moves_it_without_a_fence_and_fences_the_holder_out(board, admin, who, goal):
    task, fence = await held(board)
    body = {"status": goal} | ({"blocked_reason": "wait"} if goal == "blocked" else {})
    if who == "person":
        answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json=body)
        assert answer.status_code == 200, answer.text
    else:
        await did(board, who, "task-status", task, **body)
    before = await everything(admin, task)
    for verb, write in WRITES.items():
        assert refused(await say(board, "engineer", verb, task, fence=fence, **write)) == LOST, verb
    assert refused(await say(board, "engineer", "task-heartbeat", task, fence=fence)) == LOST
    assert await everything(admin, task) == before


async def test_a_task_given_to_another_is_lost_to_its_holder(board, admin):
    task, fence = await held(board)
    await did(board, "orchestrator", "task-assign", task, assignee_slugs=["engineer-2"], replace=True)
    before = await everything(admin, task)
    for verb, write in WRITES.items():
        assert (await say(board, "engineer", verb, task, fence=fence, **write)).status_code in (403, 409), verb
    assert refused(await say(board, "engineer", "task-heartbeat", task, fence=fence)) == LOST
    assert await everything(admin, task) == before
    assert await board.claim("engineer-2", task["id"]) > fence


async def test_an_edit_of_who_directs_the_work_leaves_the_lease(board):
    task, fence = await held(board)
    await did(board, "orchestrator", "task-update", task, title="By the orchestrator")
    assert (await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"priority": 1})).status_code == 200
    await did(board, "engineer", "task-update", task, title="By the holder", fence=fence)


async def reviewed(board):
    """A task that one of two reviewers holds, and its fence."""
    await desk.flags(board, "writer", is_reviewer=True)
    task = await desk.in_review(board)
    return task, await did(board, "reviewer", "task-claim", task)


async def test_a_reviewer_claims_a_review_and_the_task_stays_where_it_is(board):
    task, claimed = await reviewed(board)
    assert (claimed["lease"]["kind"], claimed["task"]["status"], claimed["is_new"]) == ("review", "review", True)
    assert refused(await say(board, "writer", "task-claim", task)) == HELD
    assert (await say(board, "engineer", "task-claim", task)).status_code == 403
    again = await did(board, "reviewer", "task-claim", task)
    assert (again["is_new"], again["lease"]) == (False, claimed["lease"])
    assert (await did(board, "reviewer", "task-status", task, status="done"))["lease_agent_id"] is None


async def test_a_review_that_is_released_or_runs_out_stays_in_review_for_the_next(board, admin):
    task, claimed = await reviewed(board)
    released = await did(board, "reviewer", "task-release", task, fence=claimed["lease"]["fence"])
    assert (released["status"], released["lease_agent_id"]) == ("review", None)
    fence = await board.claim("writer", task["id"])
    await lapse(admin, task)
    assert await expire(board, task, fence)
    now = (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()
    assert (now["status"], now["lease_agent_id"]) == ("review", None)
    rules = await admin.fetch("SELECT payload ->> 'rule' FROM events WHERE type = 'board:task:lease_ended' ORDER BY seq")
    assert [rule for (rule,) in rules] == ["release", "lease_expired"]
    assert await board.claim("reviewer", task["id"]) == fence + 1


async def test_another_reviewer_decides_without_a_fence_and_fences_the_holder_out(board):
    task, claimed = await reviewed(board)
    await did(board, "writer", "task-status", task, status="in_progress", reason="Not yet.")
    answer = await say(board, "reviewer", "task-heartbeat", task, fence=claimed["lease"]["fence"])
    assert refused(answer) == LOST
