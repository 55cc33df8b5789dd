"""What an answer says that its caller may do next: all of it works, and nothing else does."""

import random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app import main
from tests import boards
from tests.agentapi import trying
from tests.agentapi.looking import capacity, look, move, say, taken
from tests.agentapi.worlds import CREW, populated, principals
from tests.policies import desk

SETTINGS: list[dict[str, Any]] = [
    {},
    {"open_pool": True, "evidence": "claimed"},
    {"self_review": "allow"},
    {"self_review": "forbid_all", "evidence": "checked"},
]


@pytest.mark.parametrize("seed", range(len(SETTINGS)))
async def test_what_is_hinted_works_and_what_is_not_hinted_is_refused(board, admin, seed):
    chance = random.Random(seed)
    for slug in CREW:
        await capacity(board, slug, 20)
    who_is = await principals(board)
    tasks = await populated(board, chance, who_is)
    await reserved(board, random.Random(seed), tasks)
    for slug in CREW:
        await capacity(board, slug, chance.choice((1, 2, 20)))
    await board.person.patch("/api/v1/account", json=SETTINGS[seed])
    await desk.flags(board, "engineer-2", can_modify_task_status=None if seed % 2 else False)
    await desk.flags(board, "writer", is_reviewer=seed > 1, can_mark_done=False if seed == 3 else None)
    # Some leases are over, and the board has not noticed.
    over = [UUID(task) for task in tasks if chance.random() < 0.2]
    await admin.execute(
        "UPDATE tasks SET lease_until = now() - interval '1 second' WHERE lease_until > now() AND id = ANY($1)", over
    )
    wrong = {}
    worked: set[str] = set()
    for task in tasks:
        for slug, who in who_is.items():
            hints = {trying.called(one["verb"], one["arguments"]) for one in await trying.hinted(board, who, task)}
            true = await trying.accepted(board, who, task)
            worked |= true
            if hints != true:
                card, _ = await trying.seen(board, who, task)
                wrong[card.status.value, slug] = {"too much": hints - true, "too little": true - hints}
    assert wrong == {}
    assert {"task-claim", "task-evidence", "task-delete", "task-status blocked"} <= worked


async def reserved(board, chance: random.Random, tasks: list[str]) -> None:
    """Let some tasks want files that others may have; what is held already is refused where they do."""
    for task in chance.sample(tasks, len(tasks) // 2):
        wish = {"pattern": chance.choice(("src/a", "src/b", "src/*")), "mode": chance.choice(("exclusive", "shared"))}
        answer = await board.person.patch(f"/api/v1/tasks/{task}", json={"reserve": [wish]})
        assert answer.status_code in (200, 409), answer.text


async def test_a_hint_names_every_field_that_its_call_needs_beside_the_task(board):
    """With the arguments and the fields that it needs, and nothing else, the call is accepted."""
    task = await board.task(assignee_slugs=["engineer"], acceptance_criteria=["it works"])
    fence = await board.claim("engineer", task["id"])
    who = (await principals(board))["engineer"]
    for hint in await trying.hinted(board, who, task["id"]):
        card, scene = await trying.seen(board, who, task["id"])
        best = trying.body(who, card, scene, hint["verb"], hint["arguments"]) | {"fence": fence}
        given = {name: best[name] for name in hint["needs"]} | hint["arguments"]
        # An update needs whatever it is to change.
        given |= {"labels": ["a-label"]} if hint["verb"] == trying.UPDATE else {}
        assert await trying.works(board, who, hint["verb"], given | {"task_id": task["id"]}), hint


async def agrees(board, slug: str, answer: dict[str, Any]) -> None:
    """The hints of an answer are those that reading the task now gives."""
    task = answer.get("task", answer)
    who = (await principals(board))[slug]
    assert task["next_actions"] == await trying.hinted(board, who, task["id"])


async def test_every_answer_about_a_task_shows_what_is_true_after_it(board):
    await desk.account(board, evidence="claimed")
    await desk.flags(board, "engineer", can_create_tasks=True)
    first = await say(board, "engineer", "task-create", title="My own", acceptance_criteria=["it works"], status="assigned")
    await agrees(board, "engineer", first)
    task = {"task_id": first["id"]}
    claim = await say(board, "engineer", "task-claim", **task)
    await agrees(board, "engineer", claim)
    fence = claim["lease"]["fence"]
    await agrees(board, "engineer", await say(board, "engineer", "task-release", **task, fence=fence))
    begun = await say(board, "engineer", "task-status", **task, status="in_progress")
    await agrees(board, "engineer", begun)
    await say(board, "engineer", "task-evidence", **task, position=1, is_met=True, fence=begun["lease"]["fence"])
    done = await say(board, "engineer", "task-status", **task, status="review", fence=begun["lease"]["fence"])
    await agrees(board, "engineer", done)
    review = await say(board, "reviewer", "task-claim", **task)
    await agrees(board, "reviewer", review)
    back = await say(board, "reviewer", "task-status", **task, status="in_progress", reason="again")
    await agrees(board, "reviewer", back)
    await agrees(board, "orchestrator", await say(board, "orchestrator", "task-assign", **task, assignee_slugs=["writer"]))
    await agrees(board, "orchestrator", await say(board, "orchestrator", "task-get", **task))
    await agrees(board, "engineer", await say(board, "engineer", "task-load", **task))
    await agrees(board, "orchestrator", await say(board, "orchestrator", "task-delete", **task, reason="enough"))


async def test_a_reviewer_that_brought_it_to_review_is_not_told_that_it_may_close(board):
    task = await board.task(assignee_slugs=["reviewer"])
    fence = await board.claim("reviewer", task["id"])
    answer = await say(board, "reviewer", "task-status", task_id=task["id"], status="review", fence=fence)
    assert {"verb": "task-status", "arguments": {"status": "done"}, "needs": []} not in answer["next_actions"]
    await agrees(board, "reviewer", answer)


async def test_a_task_with_open_sub_tasks_is_not_offered_for_closing(board):
    task = await desk.in_review(board)
    child = await board.task(title="below", parent_id=task["id"])
    who = (await principals(board))["reviewer"]
    done = {"verb": "task-status", "arguments": {"status": "done"}, "needs": []}
    assert done not in await trying.hinted(board, who, task["id"])
    await board.person.post(f"/api/v1/tasks/{child['id']}/status", json={"status": "archived"})
    assert done in await trying.hinted(board, who, task["id"])


async def test_who_is_barred_by_this_very_move_is_told_so(board):
    await desk.account(board, self_review="forbid_all")
    await desk.flags(board, "reviewer", is_reviewer=False)
    task = await board.task(assignee_slugs=["orchestrator"])
    await move(board, task, "in_progress")
    # The orchestrator works without a lease.
    answer = await say(board, "orchestrator", "task-status", task_id=task["id"], status="review")
    assert all(one["arguments"] != {"status": "done"} for one in answer["next_actions"])
    await agrees(board, "orchestrator", answer)


async def test_rework_opens_the_verdicts_again_in_the_same_answer(board):
    task = await board.task(assignee_slugs=["engineer"], acceptance_criteria=["it works"])
    await move(board, task, "in_progress", "review")
    body = {"position": 1, "is_met": False}
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/evidence", json=body)).status_code == 200
    given = {"task_id": task["id"], "status": "in_progress", "reason": "again"}
    answer = await say(board, "orchestrator", "task-status", **given)
    assert any(one["verb"] == "task-evidence" for one in answer["next_actions"])
    await agrees(board, "orchestrator", answer)


async def test_the_work_of_next_carries_hints(board):
    task = await board.task(assignee_slugs=["engineer"])
    work = (await look(board, "engineer")).json()
    assert work["kind"] == "notification"
    await agrees(board, "engineer", work)
    assert {"verb": "task-claim", "arguments": {}, "needs": []} in work["task"]["next_actions"]
    await board.claim("engineer", task["id"])
    held = (await taken(board, "engineer"))[-1]
    assert [one["needs"] for one in held["task"]["next_actions"] if one["verb"] == "task-heartbeat"] == [["fence"]]


async def test_people_and_lists_are_shown_no_hints(board):
    task = await board.task(assignee_slugs=["engineer"])
    assert "next_actions" not in task
    moved = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "in_progress"})
    listed = (await board.as_("orchestrator").post("/agent/task-list", json={})).json()
    assert "next_actions" not in moved.json()
    assert all("next_actions" not in one for one in listed["items"])


def test_every_verb_that_is_hinted_exists():
    names = {verb.name for verb in main.VERBS}
    assert {verb for verb, _ in trying.CANDIDATES} <= names


def test_the_needs_of_a_hint_are_fields_of_its_verb():
    for name, arguments in trying.CANDIDATES:
        fields = {verb.name: verb.body for verb in main.VERBS}[name].__struct_fields__
        assert {"task_id", *arguments} <= set(fields)
        assert msgspec.json.schema(trying.VERBS[name].body)


async def test_a_pushed_agent_gets_hints_as_well(urls):
    async with boards.opened(urls[1], gateway_url="http://127.0.0.1:9") as board:
        await board.task(assignee_slugs=["engineer"])
        work = (await look(board, "engineer")).json()
        assert any(one["verb"] == "task-claim" for one in work["task"]["next_actions"])
