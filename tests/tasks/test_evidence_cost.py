"""How many round trips evidence and handoffs take."""

from app.kernel import db
from tests import boards
from tests.kernel.test_sql import Counted, sent_by


async def test_a_verdict_takes_four_round_trips_and_all_that_hangs_on_a_task_three_reads(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        task = await board.task(assignee_slugs=["engineer"], acceptance_criteria=["One", "Two"])
        path, fence = f"/api/v1/tasks/{task['id']}", await board.claim("engineer", task["id"])
        agent, named = board.as_("engineer"), {"task_id": task["id"]}
        lists = iter((["Two", "One"], ["One", "Two", "Three"]))
        verdict, notes = named | {"position": 1, "is_met": True, "fence": fence}, {"summary": "So far."}
        found = {
            "evidence": await sent_by(lambda: agent.post("/agent/task-evidence", json=verdict)),
            "notes": await sent_by(lambda: agent.post("/agent/task-heartbeat", json=named | {"fence": fence, "handoff": notes})),
            "claim": await sent_by(lambda: agent.post("/agent/task-claim", json=named)),
            "load": await sent_by(lambda: agent.post("/agent/task-load", json=named)),
            "criteria": await sent_by(lambda: board.person.get(f"{path}/criteria")),
            "handoffs": await sent_by(lambda: board.person.get(f"{path}/handoffs")),
            "edit": await sent_by(lambda: board.person.patch(path, json={"acceptance_criteria": next(lists)})),
        }
    assert found == {"evidence": 4, "notes": 4, "claim": 3, "load": 5, "criteria": 3, "handoffs": 4, "edit": 5}
