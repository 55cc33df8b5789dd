"""A crew is followed up without a model: the stalest first, so many at a time, and nobody twice in four hours."""

from typing import Any

import pytest

from tests import boards
from tests.boards import Board
from tests.runtime.clock import worlds
from tests.runtime.clock.conftest import simulate
from tests.runtime.clock.worlds import DAY, HOUR, MINUTE, World

REQUESTS = """
SELECT t.title, n.actor_id, a.slug, n.depth, n.cause_id, n.state FROM notifications n
JOIN tasks t ON t.account_id = n.account_id AND t.id = n.task_id
JOIN agents a ON a.account_id = n.account_id AND a.id = n.recipient_id
WHERE n.type = 'response_request' ORDER BY n.created_at, n.id
"""
RESULTS = "SELECT result::text FROM runtime_commands WHERE type = 'agent.wakeup' ORDER BY created_at"


@pytest.fixture
async def crew(urls, admin):
    """Agents that fetch their work, on a clock that stands still; nobody renews a lease."""
    await simulate(urls)
    open_board = lambda: boards.opened(urls[1], CALLBOARD_CLOCK="simulated")  # noqa: E731
    async with boards.in_own_task(open_board) as board, worlds.working(board):
        await admin.execute("UPDATE runtime_schedules SET is_enabled = false WHERE name = 'liveness'")
        yield World(board)


async def begun(board: Board, title: str, slug: str, status: str = "in_progress") -> dict[str, Any]:
    """A task of this agent that is held for a day, or was moved on."""
    task = await board.task(title=title, assignee_slugs=[slug])
    if status != "assigned":
        fence = await board.claim(slug, task["id"])
        if status != "in_progress":
            body = {
                "task_id": task["id"],
                "fence": fence,
                "status": status,
                "blocked_reason": "no key" if status == "blocked" else None,
            }
            moved = await board.as_(slug).post("/agent/task-status", json={k: v for k, v in body.items() if v is not None})
            assert moved.status_code == 200, moved.text
    return task


async def asked(admin) -> list[str]:
    return [row["title"] for row in await admin.fetch(REQUESTS)]


async def test_three_silent_tasks_are_followed_up_the_stalest_work_first(crew: World, admin):
    board = crew.board
    assert (await board.person.patch("/api/v1/account", json={"lease_seconds": DAY})).status_code == 200
    for slug in ("engineer", "engineer-2", "writer"):
        edited = await board.person.patch(f"/api/v1/agents/{await board.agent_id(slug)}", json={"capacity": 9})
        assert edited.status_code == 200, edited.text
    assigned = await begun(board, "assigned, oldest", "writer", "assigned")
    await begun(board, "blocked", "writer", "blocked")
    await crew.advance(1)
    await begun(board, "in review", "writer", "review")
    await crew.advance(1)
    begun_first = await begun(board, "begun first", "engineer")
    await crew.advance(1)
    await begun(board, "begun last", "engineer-2")
    await crew.advance(16 * MINUTE)
    assert await asked(admin) == ["begun first", "begun last", "in review"]
    rows = await admin.fetch(REQUESTS)
    leader = await board.agent_id("orchestrator")
    assert {(str(row["actor_id"]), row["depth"], row["cause_id"], row["state"]) for row in rows} == {(leader, 0, None, "queued")}
    assert {row["slug"] for row in rows} == {"engineer", "engineer-2", "writer"}
    assert await admin.fetchval("SELECT count(*) FROM messages") == 0
    assert begun_first["id"] in (await admin.fetch(RESULTS))[-1]["result"]
    # Nobody is asked again for four hours, so the rest of the budget goes to what comes next.
    await crew.advance(16 * MINUTE)
    assert (await asked(admin))[3:] == ["assigned, oldest"]
    said = await board.as_("writer").post("/agent/task-message", json={"task_id": assigned["id"], "content": "Tomorrow."})
    assert said.status_code == 201, said.text
    await crew.advance(14 * MINUTE)
    assert len(await asked(admin)) == 4


async def hide(admin, task: dict[str, Any]) -> None:
    await admin.execute(
        "UPDATE tasks SET quarantined_at = now(), quarantine_reason = 'no_progress' WHERE id::text = $1", task["id"]
    )


async def edit(board: Board, slug: str, **fields: Any) -> None:
    edited = await board.person.patch(f"/api/v1/agents/{await board.agent_id(slug)}", json=fields)
    assert edited.status_code == 200, edited.text


async def test_what_the_orchestrator_asked_itself_counts_and_blocked_tasks_come_last(crew: World, admin):
    board = crew.board
    blocked = await begun(board, "blocked", "writer", "blocked")
    await hide(admin, await begun(board, "quarantined", "engineer-2", "assigned"))
    await edit(board, "orchestrator", wake_minutes=240)
    await crew.advance(DAY - MINUTE)
    assert await asked(admin) == []
    await crew.advance(4 * HOUR + 2 * MINUTE)
    assert await asked(admin) == ["blocked"]
    await hide(admin, blocked)

    await edit(board, "orchestrator", wake_minutes=15)
    tasks = [await begun(board, f"task {number}", "engineer", "assigned") for number in range(5)]
    await crew.advance(10 * MINUTE)
    for task in tasks[:2]:
        body = {"task_id": task["id"], "recipient_slugs": ["engineer"], "message": "Well?"}
        made = await board.as_("orchestrator").post("/agent/response-request", json=body)
        assert len(made.json()["created"]) == 1, made.text
    await crew.advance(6 * MINUTE)
    assert (await asked(admin))[3:] == ["task 2"]
    await crew.advance(10 * MINUTE)
    assert (await asked(admin))[3:] == ["task 2", "task 3", "task 4"]


async def test_nobody_is_asked_on_behalf_of_who_may_not_ask_and_no_retired_agent(crew: World, admin):
    board = crew.board
    await begun(board, "silent", "engineer", "assigned")
    for fields in ({"flags": {"can_mention_agents": False}}, {"wake_minutes": 0}):
        await edit(board, "orchestrator", **fields)
        await crew.advance(HOUR)
    await edit(board, "orchestrator", flags={"can_mention_agents": None}, wake_minutes=15)
    await edit(board, "engineer", retired=True)
    await crew.advance(HOUR)
    assert await asked(admin) == []
    await edit(board, "engineer", retired=False)
    await board.person.put("/api/v1/admin/runtime/settings/followup.most", json={"value": 0, "reason": "a drill"})
    await crew.advance(HOUR)
    assert await asked(admin) == []
    await board.person.put("/api/v1/admin/runtime/settings/followup.most", json={"value": 1, "reason": "a drill"})
    await crew.advance(16 * MINUTE)
    assert await asked(admin) == ["silent"]
