"""Leases under real concurrency: what many calls at the same instant may not bring about together."""

import asyncio
import random
from collections import Counter
from datetime import datetime

import pytest

from tests.agentapi.looking import capacity
from tests.tasks.holders import consistent, did, expire, held, hired, refused, say
from tests.tasks.webs import edit, log, shown

ROUNDS = 5
MANY = 16
WON, HELD = (200, None), (409, "held")
LEASES = "SELECT count(*) FROM tasks WHERE lease_until > callboard_now()"
SOON = "UPDATE tasks SET lease_until = clock_timestamp() + interval '40 ms' WHERE id = $1 RETURNING lease_until"


@pytest.fixture
async def crew(board) -> list[str]:
    return await hired(board, MANY)


def reasons(answers) -> Counter:
    return Counter(one.json()["error"]["details"]["reason"] for one in answers if one.status_code != 200)


def winner(answers, crew: list[str]) -> str:
    return next(slug for slug, one in zip(crew, answers, strict=True) if one.status_code == 200)


@pytest.mark.parametrize(("verb", "body"), [("task-claim", {}), ("task-status", {"status": "in_progress"})])
async def test_of_many_that_take_one_task_at_once_one_holds_it(board, crew, admin, verb, body):
    for _ in range(ROUNDS):
        task = await board.task(assignee_slugs=crew)
        answers = await asyncio.gather(*(say(board, who, verb, task, **body) for who in crew))
        assert Counter(map(refused, answers)) == {WON: 1, HELD: MANY - 1}
        assert reasons(answers) == {"holder": MANY - 1}
        first = winner(answers, crew)
        assert (await shown(board, task))["lease_agent_id"] == await board.agent_id(first)
        assert len(await log(board, task, "status_changed")) == 1
        await consistent(admin)
        fence = answers[crew.index(first)].json()["lease"]["fence"]
        await did(board, first, "task-release", task, fence=fence)


async def released(board, who: str, answers) -> int:
    """Give back everything that was claimed; answers how many leases there were."""
    new = [one.json() for one in answers if one.status_code == 200 and one.json()["is_new"]]
    for one in new:
        await did(board, who, "task-release", one["task"], fence=one["lease"]["fence"])
    return len({one["task"]["id"] for one in new})


async def test_an_agent_of_capacity_two_that_names_many_tasks_at_once_holds_two(board, admin):
    await capacity(board, "engineer", 2)
    tasks = [await board.task(assignee_slugs=["engineer"]) for _ in range(MANY)]
    for _ in range(ROUNDS):
        answers = await asyncio.gather(*(say(board, "engineer", "task-claim", one) for one in tasks))
        assert Counter(map(refused, answers)) == {WON: 2, HELD: MANY - 2}
        assert reasons(answers) == {"capacity": MANY - 2}
        assert await admin.fetchval(LEASES) == 2
        await consistent(admin)
        assert await released(board, "engineer", answers) == 2


async def test_an_agent_of_capacity_two_that_asks_many_times_at_once_holds_two(board, admin):
    await capacity(board, "engineer", 2)
    for _ in range(MANY):
        await board.task(assignee_slugs=["engineer"])
    for _ in range(ROUNDS):
        answers = await asyncio.gather(*(say(board, "engineer", "task-claim") for _ in range(MANY)))
        assert Counter(map(refused, answers)) == {WON: MANY}
        assert await admin.fetchval(LEASES) == 2
        await consistent(admin)
        assert await released(board, "engineer", answers) == 2


async def test_an_agent_that_starts_many_tasks_at_once_holds_as_many_as_it_may(board, admin):
    for _ in range(ROUNDS):
        tasks = [await board.task(assignee_slugs=["engineer"]) for _ in range(6)]
        answers = await asyncio.gather(*(say(board, "engineer", "task-status", one, status="in_progress") for one in tasks))
        assert Counter(map(refused, answers)) == {WON: 1, HELD: 5}
        await consistent(admin)
        won = next(one.json() for one in answers if one.status_code == 200)
        await did(board, "engineer", "task-release", won, fence=won["lease"]["fence"])


async def test_many_that_ask_for_the_best_task_at_once_never_share_one(board, crew, admin):
    for number in range(6):
        await board.task(assignee_slugs=crew, priority=1 + number % 5)
    for _ in range(ROUNDS):
        answers = await asyncio.gather(*(say(board, who, "task-claim") for who in crew))
        assert Counter(map(refused, answers)) == {WON: MANY}
        taken = [(who, one.json()) for who, one in zip(crew, answers, strict=True) if one.json()["task"]]
        assert len({one["task"]["id"] for _, one in taken}) == len(taken) == await admin.fetchval(LEASES) > 0
        await consistent(admin)
        for who, one in taken:
            await did(board, who, "task-release", one["task"], fence=one["lease"]["fence"])


async def test_of_many_edits_that_expect_one_version_one_wins(board, admin):
    task = await board.task()
    for _ in range(ROUNDS):
        version = (await shown(board, task))["version"]
        titles = [f"Title {version} {number}" for number in range(MANY)]
        answers = await asyncio.gather(*(edit(board, task, title=title, expected_version=version) for title in titles))
        assert Counter(map(refused, answers)) == {WON: 1, (409, "version_conflict"): MANY - 1}
        now = await shown(board, task)
        assert (now["version"], now["title"]) == (version + 1, titles[[one.status_code for one in answers].index(200)])
    await consistent(admin)


async def at_its_end(admin, task) -> datetime:
    """Bring the lease to an end that is a moment away, and wait for about that moment."""
    end: datetime = await admin.fetchval(SOON, task["id"])
    await asyncio.sleep(random.uniform(0.034, 0.044))
    return end


async def one_of_both(board, admin, task, fence, *, end: datetime, beat, was_taken: bool) -> None:
    """Either the lease lives on, or it is lost and the task is free; never both and never neither."""
    lives = beat.status_code == 200
    assert not (lives and was_taken)
    if not lives:
        assert refused(beat) == (409, "lease_lost")
        # The board looked a moment too early, and looks again.
        assert was_taken or await expire(board, task, fence)
    row = await admin.fetchrow("SELECT status, lease_until, lease_fence FROM tasks WHERE id = $1", task["id"])
    expected = [] if lives else ["lease_expired"]
    changes = await log(board, task, "status_changed")
    assert [one["payload"]["rule"] for one in changes if one["payload"].get("lease_ended")] == expected
    assert row["status"] == ("in_progress" if lives else "assigned")
    assert row["lease_until"] > end if lives else row["lease_until"] is None
    await consistent(admin)


async def test_a_heartbeat_at_the_end_of_the_lease_renews_it_or_finds_it_lost(board, admin):
    for number in range(3 * ROUNDS):
        task, fence = await held(board)
        end = await at_its_end(admin, task)
        calls = [say(board, "engineer", "task-heartbeat", task, fence=fence), expire(board, task, fence)]
        first, second = await asyncio.gather(*calls[:: 1 if number % 2 else -1])
        beat, was_taken = (first, second) if number % 2 else (second, first)
        await one_of_both(board, admin, task, fence, end=end, beat=beat, was_taken=was_taken)
        await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "archived"})


@pytest.mark.parametrize("is_beat_first", [True, False])
async def test_a_heartbeat_and_an_expiry_that_wait_for_one_row_are_told_apart(board, admin, is_beat_first):
    task, fence = await held(board)
    async with admin.transaction():
        end = await admin.fetchval(SOON, task["id"])
        calls = {
            True: lambda: say(board, "engineer", "task-heartbeat", task, fence=fence),
            False: lambda: expire(board, task, fence),
        }
        waiting = {}
        for is_beat in (is_beat_first, not is_beat_first):
            waiting[is_beat] = asyncio.create_task(calls[is_beat]())
            await asyncio.sleep(0.06)
    beat, was_taken = await waiting[True], await waiting[False]
    await one_of_both(board, admin, task, fence, end=end, beat=beat, was_taken=was_taken)
