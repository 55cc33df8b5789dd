"""Verdicts on acceptance criteria, over HTTP, by agents and people."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.policies.desk import person

SHA = "0123456789abcdef" * 4
CRITERIA = ["It builds", "It is tested", "It is documented"]


async def task_of(board, criteria=CRITERIA, **fields) -> dict[str, Any]:
    task: dict[str, Any] = await board.task(acceptance_criteria=list(criteria), **({"assignee_slugs": ["engineer"]} | fields))
    return task


async def started(board, **fields) -> tuple[dict[str, Any], int]:
    task = await task_of(board, **fields)
    return task, await board.claim("engineer", task["id"])


async def criteria_of(board, task) -> list[dict[str, Any]]:
    answer = await board.person.get(f"/api/v1/tasks/{task['id']}/criteria")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def edit(board, task, wanted, **fields):
    return await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"acceptance_criteria": wanted} | fields)


async def say(board, who, task, position=1, **fields):
    """A verdict by an agent's slug or by a person's address."""
    body = {"position": position, "is_met": True} | fields
    if "@" in who:
        return await board.as_(who).post(f"/api/v1/tasks/{task['id']}/evidence", json=body)
    return await board.as_(who).post("/agent/task-evidence", json={"task_id": task["id"]} | body)


async def person_says(board, task, position=1, **fields):
    return await board.person.post(f"/api/v1/tasks/{task['id']}/evidence", json={"position": position, "is_met": True} | fields)


async def last_event(board, task) -> dict[str, Any]:
    log = (await board.person.get(f"/api/v1/tasks/{task['id']}/events")).json()["items"]
    event: dict[str, Any] = log[-1]
    return event


def error(answer) -> tuple[int, str, dict[str, Any]]:
    found = answer.json()["error"]
    return answer.status_code, found["code"], found["details"]


async def test_a_verdict_keeps_who_gave_it_and_when_and_is_an_event_of_the_task(board):
    task, fence = await started(board)
    before = (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["version"]
    artifact = {"artifact": "run/17.log", "artifact_hash": f"sha256:{SHA.upper()}", "note": "all green"}
    answer = await say(board, "engineer", task, 2, verdict="machine_checked", fence=fence, **artifact)
    assert answer.status_code == 200, answer.text
    given = answer.json()["criterion"]
    (_, stored, _) = await criteria_of(board, task)
    assert stored == given
    assert stored["artifact_hash"] == f"sha256:{SHA}"
    me = await board.agent_id("engineer")
    assert (stored["verdict_by_kind"], stored["verdict_by_id"], stored["is_met"]) == ("agent", me, True)
    assert stored["verdict_at"].endswith("Z")
    event = await last_event(board, task)
    assert (event["type"], event["actor_id"], event["sequence"]) == ("board:task:evidence", me, before + 1)
    said = {name: event["payload"][name] for name in ("criterion_id", "verdict", "is_met", "artifact", "artifact_hash")}
    assert said == {"criterion_id": stored["id"]} | {name: stored[name] for name in said if name != "criterion_id"}
    assert answer.json()["version"] == before + 1
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["version"] == before + 1


async def test_a_criterion_is_named_by_its_id_or_its_position(board):
    task, fence = await started(board)
    (_, second, _) = await criteria_of(board, task)
    by_id = {"task_id": task["id"], "criterion_id": second["id"], "is_met": True, "fence": fence}
    answer = await board.as_("engineer").post("/agent/task-evidence", json=by_id)
    assert answer.json()["criterion"]["position"] == 2
    for wrong, field in (({"position": 4}, "position"), ({"position": None}, "criterion_id")):
        refused = await say(board, "engineer", task, fence=fence, **wrong)
        assert error(refused)[2]["fields"][0]["field"] == field, refused.text
    both = await say(board, "engineer", task, 2, criterion_id=second["id"], fence=fence)
    assert error(both)[2]["fields"][0]["field"] == "position"


async def test_a_criterion_of_another_task_is_as_absent_as_none(board):
    (task, fence), other = await started(board), await task_of(board)
    (foreign, *_) = await criteria_of(board, other)
    for wanted in (foreign["id"], str(uuid4())):
        body = {"task_id": task["id"], "criterion_id": wanted, "is_met": True, "fence": fence}
        answer = await board.as_("engineer").post("/agent/task-evidence", json=body)
        assert error(answer) == (404, "not_found", {"kind": "criterion", "id": wanted})


async def test_the_holder_shows_its_fence(board, admin):
    task, fence = await started(board)
    assert error(await say(board, "engineer", task))[:2] == (409, "lease_required")
    assert error(await say(board, "engineer", task, fence=fence + 1))[:2] == (409, "lease_lost")
    stranger = error(await say(board, "writer", task, fence=fence))
    assert (stranger[0], stranger[2]["reason"]) == (403, "not_assigned")
    assert await admin.fetchval("SELECT count(*) FROM task_criteria WHERE verdict IS NOT NULL") == 0
    header = {"X-Lease-Fence": str(fence)}
    body = {"task_id": task["id"], "position": 1, "is_met": False}
    assert (await board.as_("engineer").post("/agent/task-evidence", json=body, headers=header)).status_code == 200


async def test_reviewers_and_people_judge_without_a_fence(board):
    task, fence = await started(board)
    moved = {"task_id": task["id"], "status": "review", "fence": fence}
    assert (await board.as_("engineer").post("/agent/task-status", json=moved)).status_code == 200
    assert (await say(board, "reviewer", task, verdict="machine_checked", artifact="a", artifact_hash=SHA)).status_code == 200
    answer = await person_says(board, task, 2, is_met=False)
    assert (answer.json()["criterion"]["verdict"], answer.json()["criterion"]["verdict_by_kind"]) == ("person_checked", "person")


async def test_a_persons_verdict_is_changed_by_people_only(board):
    task, fence = await started(board)
    assert (await person_says(board, task, is_met=False)).status_code == 200
    assert (await person_says(board, task, 2, verdict="claimed")).status_code == 200
    before = await criteria_of(board, task)
    for position in (1, 2):
        status, code, details = error(await say(board, "engineer", task, position, fence=fence))
        assert (status, code, details["reason"]) == (403, "forbidden", "persons_only")
    assert await criteria_of(board, task) == before
    assert (await person_says(board, task, is_met=True)).json()["criterion"]["is_met"] is True


async def test_an_agent_claims_or_checks_by_machine_and_never_speaks_for_a_person(board):
    task, fence = await started(board)
    status, code, details = error(await say(board, "engineer", task, verdict="person_checked", fence=fence))
    assert (status, code, details["fields"][0]["field"]) == (422, "validation_failed", "verdict")
    for body in ({"verdict_by_id": str(uuid4())}, {"account_id": str(uuid4())}, {"verdict_by_kind": "person"}):
        assert (await say(board, "engineer", task, fence=fence, **body)).status_code == 422


BAD_VERDICTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"verdict": "machine_checked"}, ["artifact", "artifact_hash"]),
    ({"verdict": "machine_checked", "artifact": "log"}, ["artifact_hash"]),
    ({"verdict": "machine_checked", "artifact_hash": SHA}, ["artifact"]),
    ({"verdict": "claimed", "artifact_hash": SHA}, ["artifact"]),
    ({"artifact_hash": SHA[:-1], "artifact": "log"}, ["artifact_hash"]),
    ({"artifact_hash": SHA + "\n", "artifact": "log"}, ["artifact_hash"]),
    ({"artifact_hash": f"md5:{SHA}", "artifact": "log"}, ["artifact_hash"]),
    ({"artifact_hash": "g" * 64, "artifact": "log"}, ["artifact_hash"]),
    ({"artifact": ""}, ["artifact"]),
    ({"artifact": "x" * 2001}, ["artifact"]),
    ({"note": " "}, ["note"]),
    ({"note": "x" * 2001}, ["note"]),
    ({"note": "nul \0"}, ["note"]),
    ({"is_met": None}, ["is_met"]),
    ({"position": 0}, ["position"]),
    ({"position": 31}, ["position"]),
    ({"verdict": "sworn"}, ["verdict"]),
    ({"expected_version": 0}, ["expected_version"]),
    ({"strange": 1}, ["strange"]),
]


async def test_a_verdict_past_a_limit_is_refused_with_its_fields_and_writes_nothing(board, admin):
    task, fence = await started(board)
    before = await admin.fetchval("SELECT last_seq FROM event_counters")
    for body, fields in BAD_VERDICTS:
        by_agent = await say(board, "engineer", task, **({"fence": fence} | body))
        for answer in (by_agent, await person_says(board, task, **body)):
            status, code, details = error(answer)
            assert (status, code, [one["field"] for one in details["fields"]]) == (422, "validation_failed", fields), body
    assert error(await say(board, "engineer", task, fence=0))[2]["fields"][0]["field"] == "fence"
    assert await admin.fetchval("SELECT last_seq FROM event_counters") == before
    assert await admin.fetchval("SELECT count(*) FROM task_criteria WHERE verdict IS NOT NULL") == 0


async def test_of_many_verdicts_that_expect_one_version_one_is_given(board):
    task, fence = await started(board)
    version = (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["version"]
    calls = [say(board, "engineer", task, 1 + n % 3, fence=fence, expected_version=version) for n in range(10)]
    answers = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert answers == [200] + [409] * 9


async def sent_back(board, task, **fields):
    body = {"task_id": task["id"], "status": "in_progress", "reason": "See the criteria."} | fields
    return await board.as_("reviewer").post("/agent/task-status", json=body)


async def test_rework_takes_the_verdicts_back_and_says_so(board):
    task, fence = await started(board)
    await say(board, "engineer", task, 1, fence=fence)
    review = {"task_id": task["id"], "status": "review", "fence": fence}
    assert (await board.as_("engineer").post("/agent/task-status", json=review)).status_code == 200
    assert (await say(board, "reviewer", task, 2, is_met=False)).status_code == 200
    assert (await person_says(board, task, 3)).status_code == 200
    before = await criteria_of(board, task)
    assert (await sent_back(board, task)).status_code == 200
    assert [one["verdict"] for one in await criteria_of(board, task)] == [None, None, None]
    assert {one["verdict_by_id"] for one in await criteria_of(board, task)} == {None}
    event = await last_event(board, task)
    assert event["type"] == "board:task:status_changed"
    cleared = event["payload"]["verdicts_cleared"]
    assert [(one["position"], one["verdict"], one["is_met"], one["by_kind"]) for one in cleared] == [
        (1, "claimed", True, "agent"),
        (2, "claimed", False, "agent"),
        (3, "person_checked", True, "person"),
    ]
    assert [one["id"] for one in cleared] == [one["id"] for one in before]
    loaded = (await board.as_("engineer").post("/agent/task-load", json={"task_id": task["id"]})).json()
    assert loaded["handoffs"][0]["unmet"] == ["It is tested"]


async def test_a_move_that_is_no_rework_keeps_the_verdicts(board):
    task, fence = await started(board)
    await say(board, "engineer", task, 1, fence=fence)
    for status in ("blocked", "in_progress", "review"):
        body = {"status": status, "blocked_reason": "b"}
        assert (await board.person.post(f"/api/v1/tasks/{task['id']}/status", json=body)).status_code == 200
    assert (await criteria_of(board, task))[0]["verdict"] == "claimed"


@pytest.mark.parametrize("status", ["done", "archived"])
async def test_a_closed_task_keeps_its_criteria_and_verdicts(board, status):
    task = await task_of(board)
    for goal in ("in_progress", "review", status):
        moved = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": goal})
        assert moved.status_code == 200
    for answer in (await person_says(board, task), await edit(board, task, ["Other"])):
        status_code, code, details = error(answer)
        assert (status_code, code, details["from"]) == (409, "invalid_transition", status)
    assert (await edit(board, task, CRITERIA)).status_code == 200


async def test_viewers_read_criteria_and_judge_none(board, admin):
    task = await task_of(board)
    viewer = await person(board, admin, "viewer")
    assert (await board.as_(viewer).get(f"/api/v1/tasks/{task['id']}/criteria")).status_code == 200
    status, _, details = error(await say(board, viewer, task))
    assert (status, details["reason"]) == (403, "role_denied")


async def test_of_another_account_there_is_nothing_to_judge(board):
    absent = {"id": str(uuid4())}
    for answer in (
        await board.person.get(f"/api/v1/tasks/{absent['id']}/criteria"),
        await board.person.get(f"/api/v1/tasks/{absent['id']}/handoffs"),
        await person_says(board, absent),
        await say(board, "engineer", absent),
    ):
        assert error(answer) == (404, "not_found", {"kind": "task", "id": absent["id"]})
