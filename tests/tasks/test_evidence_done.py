"""`done` bound to evidence: where the account asks for it, no road leads there without."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from app.kernel.errors import Forbidden, RequirementFailed
from app.kernel.types import ActorKind, Principal
from app.tasks import service
from app.tasks.schemas import StatusChange
from app.tasks.types import TaskStatus
from tests import make
from tests.policies.desk import account, close, in_review
from tests.tasks.test_evidence import SHA, criteria_of, edit, error, say

CLOSERS = ("reviewer", "owner@example.com")
MACHINE = {"verdict": "machine_checked", "artifact": "log", "artifact_hash": SHA}


async def reviewed(board, *criteria: str) -> dict[str, Any]:
    task = await in_review(board)
    if criteria:
        assert (await edit(board, task, list(criteria))).status_code == 200
    return task


async def done(board, who, task):
    if "@" in who:
        return await board.as_(who).post(f"/api/v1/tasks/{task['id']}/status", json={"status": "done"})
    return await board.as_(who).post("/agent/task-status", json={"task_id": task["id"], "status": "done"})


async def lacks(board, who, task) -> list[tuple[int, str]]:
    """What a refused `done` names: positions and gaps."""
    status, code, details = error(await done(board, who, task))
    assert (status, code, details["requirement"]) == (422, "requirement_failed", "evidence")
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["status"] == "review"
    return [(one["position"], one["gap"]) for one in details["criteria"]]


@pytest.mark.parametrize("who", CLOSERS)
async def test_without_the_setting_done_asks_for_nothing(board, who):
    assert (await done(board, who, await reviewed(board))).status_code == 200
    assert (await done(board, who, await reviewed(board, "One"))).status_code == 200


@pytest.mark.parametrize("who", CLOSERS)
async def test_a_claim_that_each_criterion_is_met_suffices_where_claims_do(board, who):
    await account(board, evidence="claimed")
    task = await reviewed(board, "One", "Two")
    assert await lacks(board, who, task) == [(1, "unjudged"), (2, "unjudged")]
    assert (await say(board, "engineer", task, 1)).status_code == 200
    answer = await say(board, "engineer", task, 2, is_met=False)
    assert [(one["position"], one["gap"]) for one in answer.json()["unproven"]] == [(2, "not_met")]
    assert await lacks(board, who, task) == [(2, "not_met")]
    assert (await say(board, "engineer", task, 2)).json()["unproven"] == []
    closing = [one for one in (await say(board, "reviewer", task, 2)).json()["next_actions"] if one["verb"] == "task-status"]
    assert {"status": "done"} in [one["arguments"] for one in closing]
    assert (await done(board, who, task)).status_code == 200


@pytest.mark.parametrize("who", CLOSERS)
async def test_a_machine_or_a_person_has_to_have_looked_where_claims_do_not_do(board, who):
    await account(board, evidence="checked")
    task = await reviewed(board, "One", "Two")
    for position in (1, 2):
        await say(board, "engineer", task, position)
    assert await lacks(board, who, task) == [(1, "unchecked"), (2, "unchecked")]
    assert (await say(board, "engineer", task, 1, **MACHINE)).status_code == 200
    assert (await say(board, "owner@example.com", task, 2)).status_code == 200
    assert (await done(board, who, task)).status_code == 200


@pytest.mark.parametrize("level", ["claimed", "checked"])
async def test_a_task_without_criteria_proves_nothing(board, level):
    await account(board, evidence=level)
    task = await reviewed(board)
    for who in CLOSERS:
        assert await lacks(board, who, task) == []
    answer = await done(board, "reviewer", task)
    assert answer.json()["error"]["details"]["level"] == level


async def test_authority_and_the_table_are_asked_before_evidence(board):
    await account(board, evidence="checked")
    task = await reviewed(board, "One")
    assert await close(board, "engineer", task) == (403, "reviewer_required")
    started = await board.task(assignee_slugs=["engineer"])
    assert error(await done(board, "owner@example.com", started))[1] == "invalid_transition"


async def test_no_road_leads_to_done_without_evidence(board, admin):
    await account(board, evidence="claimed")
    task = await reviewed(board, "One")
    for body in ({"status": "done"}, {"status": "done", "assignee_slugs": ["engineer"], "acceptance_criteria": ["One"]}):
        for answer in (
            await board.person.post("/api/v1/tasks", json={"title": "T"} | body),
            await board.as_("orchestrator").post("/agent/task-create", json={"title": "T"} | body),
        ):
            assert error(answer)[:2] == (409, "invalid_transition")
    # The service itself refuses, so that no transport above it can do otherwise.
    for slug in ("reviewer", "orchestrator"):
        me = Principal(kind=ActorKind.AGENT, id=UUID(await board.agent_id(slug)), account_id=board.account_id, name=slug)
        change = StatusChange(status=TaskStatus.DONE)
        with pytest.raises((RequirementFailed, Forbidden)):
            async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
                await service.move(tx, me, UUID(task["id"]), change)
    assert await admin.fetchval("SELECT count(*) FROM tasks WHERE status = 'done' OR completed_at IS NOT NULL") == 0


async def test_a_done_task_that_is_reopened_needs_its_evidence_again_after_rework(board):
    await account(board, evidence="claimed")
    task = await reviewed(board, "One")
    await say(board, "engineer", task)
    assert (await done(board, "reviewer", task)).status_code == 200
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/reopen", json={})).status_code == 200
    assert [one["verdict"] for one in await criteria_of(board, task)] == ["claimed"]
    for status in ("in_progress", "review"):
        moved = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status})
        assert moved.status_code == 200
    assert await lacks(board, "reviewer", task) == [(1, "unjudged")]


async def test_a_criterion_that_is_reworded_is_proven_anew(board):
    await account(board, evidence="claimed")
    task = await reviewed(board, "One", "Two")
    for position in (1, 2):
        await say(board, "engineer", task, position)
    assert (await edit(board, task, ["One", "Two and a half"])).status_code == 200
    assert await lacks(board, "reviewer", task) == [(2, "unjudged")]


async def test_closing_and_rewording_at_once_never_end_in_done_without_proof(board):
    await account(board, evidence="claimed")
    tasks = [await reviewed(board, "One") for _ in range(8)]
    for task in tasks:
        await say(board, "engineer", task)
    calls = [call for task in tasks for call in (done(board, "reviewer", task), edit(board, task, ["Two"]))]
    answers = await asyncio.gather(*calls)
    for task, closed, edited in zip(tasks, answers[::2], answers[1::2], strict=True):
        (criterion,) = await criteria_of(board, task)
        if closed.status_code == 200:
            assert (criterion["text"], criterion["is_met"], error(edited)[1]) == ("One", True, "invalid_transition")
        else:
            assert (error(closed)[2]["requirement"], criterion["text"], edited.status_code) == ("evidence", "Two", 200)


async def test_a_verdict_and_rework_at_once_leave_no_verdict_on_the_old_work(board, admin):
    tasks = [await reviewed(board, "One") for _ in range(8)]
    send = {"status": "in_progress", "reason": "Again."}
    calls = [
        call
        for task in tasks
        for call in (
            say(board, "engineer", task),
            board.as_("reviewer").post("/agent/task-status", json={"task_id": task["id"]} | send),
        )
    ]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers[1::2]} == {200}
    for task, said in zip(tasks, answers[::2], strict=True):
        (criterion,) = await criteria_of(board, task)
        # A verdict that came first was taken back; one that came after needs a lease, which the worker has not yet.
        assert criterion["verdict"] is None
        assert said.status_code == 200 or error(said)[1] == "lease_required"
