from uuid import UUID

import pytest

from tests.gateways import thread

SUMMARY = "Summary: the lamp is repaired. Sources: the manual."
REASON = "The switch was not tried."
MOVES = [
    ("board:task:created", None, "inbox", "owner", "person.owner"),
    ("board:task:assigned", "inbox", "assigned", "orchestrator", "orchestrator"),
    ("board:task:status_changed", "assigned", "in_progress", "engineer", "assignee"),
    ("board:task:status_changed", "in_progress", "review", "engineer", "assignee"),
    ("board:task:status_changed", "review", "in_progress", "reviewer", "reviewer"),
    ("board:task:status_changed", "in_progress", "review", "engineer", "assignee"),
    ("board:task:status_changed", "review", "done", "reviewer", "close.reviewers"),
]


async def called(board, agent, verb, *, expecting=200, **body):
    answer = await board.as_(agent).post(f"/agent/{verb}", json=body)
    assert answer.status_code == expecting, answer.text
    return answer.json()


async def moved(board, agent, task, goal, **fields):
    return await called(board, agent, "task-status", task_id=task["id"], status=goal, **fields)


async def told(board, agent, kind):
    """What `next` shows the agent first; it is acknowledged by the call after it."""
    work = await called(board, agent, "next", wait=5)
    assert (work["kind"], work["notification"]["type"]) == ("notification", kind)
    return work


async def idle(board, agent, *, ack=()):
    answer = await board.as_(agent).post("/agent/next", json={"wait": 0, "ack": list(ack)})
    assert answer.status_code == 204, answer.text


async def handed_out(board):
    """A person asks, the orchestrator is shown it and gives it to the engineer, who is shown it."""
    task = await board.task(title="Repair the lamp", description="It flickers.")
    shown = await told(board, "orchestrator", "status_change")
    assert shown["task"]["id"] == task["id"]
    await called(board, "orchestrator", "task-assign", task_id=task["id"], assignee_slugs=["engineer"])
    await idle(board, "orchestrator", ack=[shown["ack"]])
    shown = await told(board, "engineer", "assignment")
    assert (shown["task"]["id"], shown["task"]["status"]) == (task["id"], "assigned")
    again = await called(board, "engineer", "next", wait=0, ack=[shown["ack"]])
    assert (again["kind"], again["reason"], again["task"]["id"]) == ("task", "assigned", task["id"])
    return task


async def worked_on(board, task):
    """The engineer works, may not close its own task, and hands it over."""
    started = await moved(board, "engineer", task, "in_progress", expected_status="assigned")
    await called(board, "engineer", "task-message", expecting=201, task_id=task["id"], content=SUMMARY)
    before = await history(board, task)
    answer = await board.as_("engineer").post("/agent/task-status", json={"task_id": task["id"], "status": "done"})
    assert answer.status_code == 403
    assert answer.json()["error"]["details"]["reason"] == "reviewer_required"
    assert await history(board, task) == before
    await moved(board, "engineer", task, "review", fence=started["lease"]["fence"])
    await idle(board, "engineer")


async def sent_back(board, task):
    """The reviewer is shown it and sends it back, and the engineer is told why."""
    shown = await told(board, "reviewer", "status_change")
    loaded = await called(board, "reviewer", "task-load", task_id=task["id"])
    assert [message["content"] for message in loaded["thread"]] == [SUMMARY]
    await moved(board, "reviewer", task, "in_progress", reason=REASON)
    await idle(board, "reviewer", ack=[shown["ack"]])
    shown = await told(board, "engineer", "status_change")
    assert REASON in shown["notification"]["body"]
    again = await called(board, "engineer", "next", wait=0, ack=[shown["ack"]])
    assert (again["reason"], again["task"]["id"]) == ("in_progress", task["id"])


async def closed(board, task):
    await moved(board, "engineer", task, "review", fence=await board.claim("engineer", task["id"]))
    shown = await told(board, "reviewer", "status_change")
    again = await called(board, "reviewer", "next", wait=0, ack=[shown["ack"]])
    assert (again["reason"], again["task"]["id"]) == ("review_wanted", task["id"])
    done = await moved(board, "reviewer", task, "done")
    assert (done["status"], done["completed_at"] is not None) == ("done", True)
    await idle(board, "reviewer")


async def history(board, task):
    answer = await board.person.get(f"/api/v1/tasks/{task['id']}/events", params={"limit": 200})
    return answer.json()["items"]


async def names(board):
    agents = (await board.person.get("/api/v1/agents")).json()["items"]
    people = (await board.person.get("/api/v1/people")).json()["items"]
    return {one["id"]: one["slug"] for one in agents} | {one["id"]: one["handle"] for one in people}


@pytest.fixture
async def task(board):
    made = await handed_out(board)
    await worked_on(board, made)
    await sent_back(board, made)
    await closed(board, made)
    return made


async def test_a_crew_takes_a_task_from_inbox_to_done_and_every_step_is_on_record(board, task):
    known = await names(board)
    events = await history(board, task)
    seen = [
        (
            event["type"],
            event["payload"].get("from"),
            event["payload"].get("to") or event["payload"]["status"],
            known[event["actor_id"]],
            event["payload"]["rule"],
        )
        for event in events
        if event["type"] != "board:task:claimed"
    ]
    assert seen == MOVES
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["payload"]["reason"] for event in events if event["payload"].get("reason")] == [REASON]
    assert len({event["request_id"] for event in events}) == len(events)
    assert [message["content"] for message in await thread(board, task["id"])] == [SUMMARY]


async def test_after_the_job_every_agent_was_told_or_left_alone_and_only_people_have_yet_to_read(board, task, admin):
    # The orchestrator follows the thread, and was told of the engineer's message.
    shown = await told(board, "orchestrator", "thread_update")
    await idle(board, "orchestrator", ack=[shown["ack"]])
    for agent in ("orchestrator", "engineer", "engineer-2", "reviewer", "writer"):
        await idle(board, agent)
    rows = await admin.fetch("SELECT * FROM notifications WHERE task_id = $1 ORDER BY id", UUID(task["id"]))
    by_agents = [row for row in rows if row["recipient_kind"] == "agent"]
    assert {row["state"] for row in by_agents} == {"delivered", "skipped"}
    assert all(row["reason"] and row["ended_at"] for row in by_agents)
    assert [row["reason"] for row in by_agents if row["state"] == "skipped"] == ["task_done"]
    by_people = {row["state"] for row in rows if row["recipient_kind"] == "person"}
    assert by_people == {"queued"}
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE type <> 'tasks.expire_lease'") == 0


async def test_a_done_task_is_moved_by_no_agent_and_others_of_the_crew_have_no_say(board, task):
    answer = await board.as_("engineer").post("/agent/task-status", json={"task_id": task["id"], "status": "review"})
    assert answer.status_code == 409, answer.text
    assert answer.json()["error"]["code"] == "invalid_transition"
    for agent in ("engineer-2", "writer"):
        answer = await board.as_(agent).post("/agent/task-message", json={"task_id": task["id"], "content": "Me too."})
        assert answer.json()["error"]["details"]["reason"] == "not_assigned"
