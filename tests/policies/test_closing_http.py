"""Who closes a task, over HTTP: the matrix, the flags behind it, and that `explain` says what doing does."""

import itertools
from typing import Any

import pytest

from tests.boards import OWNER
from tests.policies.desk import CLOSED, Answer, account, close, explained, flags, in_review, person

MATRIX: dict[tuple[bool, bool], dict[str, Answer]] = {
    # (a reviewer exists, an orchestrator is set): what each actor gets
    (True, True): {"reviewer": CLOSED, "orchestrator": (403, "reviewer_required"), "engineer": (403, "reviewer_required")},
    (True, False): {"reviewer": CLOSED, "orchestrator": (403, "reviewer_required"), "engineer": (403, "reviewer_required")},
    (False, True): {
        "reviewer": (403, "orchestrator_required"),
        "orchestrator": CLOSED,
        "engineer": (403, "orchestrator_required"),
    },
    (False, False): dict.fromkeys(("reviewer", "orchestrator", "engineer"), (403, "orchestrator_unset")),
}
PEOPLE: dict[str, Answer] = {"owner": CLOSED, "admin": CLOSED, "member": CLOSED, "viewer": (403, "role_denied")}


async def arranged(board, *, reviewer: bool, orchestrator: bool) -> None:
    if not reviewer:
        await flags(board, "reviewer", is_reviewer=False)
    if not orchestrator:
        await account(board, orchestrator_agent_id=None)


@pytest.mark.parametrize(("reviewer", "orchestrator"), list(MATRIX))
async def test_reviewers_close_else_the_orchestrator_else_no_agent(board, admin, reviewer, orchestrator):
    await arranged(board, reviewer=reviewer, orchestrator=orchestrator)
    people = {(OWNER if role == "owner" else await person(board, admin, role)): answer for role, answer in PEOPLE.items()}
    for who, expected in (MATRIX[reviewer, orchestrator] | people).items():
        task = await in_review(board)
        said = await explained(board, who, task, "task.close")
        assert await close(board, who, task) == expected, who
        assert (said["decision"], said["reason"]) == ("allow" if expected == CLOSED else "deny", expected[1]), who
        after = (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()
        assert after["status"] == ("done" if expected == CLOSED else "review")


async def test_clearing_the_last_reviewers_flag_hands_closing_to_the_orchestrator(board):
    task = await in_review(board)
    assert await close(board, "orchestrator", task) == (403, "reviewer_required")
    await flags(board, "reviewer", is_reviewer=None)
    assert await close(board, "orchestrator", task) == CLOSED


async def test_a_retired_reviewer_is_none(board):
    task = await in_review(board)
    await board.person.patch(f"/api/v1/agents/{await board.agent_id('reviewer')}", json={"retired": True})
    assert await close(board, "orchestrator", task) == CLOSED


async def test_a_name_gives_no_authority(board):
    await board.person.post("/api/v1/agents", json={"slug": "orchestrator-2", "name": "Orchestrator", "role": "Orchestrator"})
    task = await in_review(board)
    assert (await explained(board, "orchestrator-2", task, "task.assign"))["reason"] == "orchestrator_required"
    await board.person.patch(f"/api/v1/agents/{await board.agent_id('orchestrator')}", json={"name": "Zed", "role": "None"})
    answer = await board.as_("orchestrator").post(
        "/agent/task-assign", json={"task_id": task["id"], "assignee_slugs": ["writer"]}
    )
    assert answer.status_code == 200


SELF_REVIEW = {
    # self_review: what the reviewer that worked on it gets, then the orchestrator that worked on it where nobody reviews
    "forbid": ((403, "self_review"), CLOSED),
    "forbid_all": ((403, "self_review"), (403, "self_review")),
    "allow": (CLOSED, CLOSED),
}


@pytest.mark.parametrize("setting", SELF_REVIEW)
async def test_who_worked_on_a_task_closes_it_only_where_self_review_is_allowed(board, setting):
    of_reviewer, of_orchestrator = SELF_REVIEW[setting]
    await account(board, self_review=setting)
    assert await close(board, "reviewer", await in_review(board, "reviewer")) == of_reviewer
    await flags(board, "reviewer", is_reviewer=False)
    assert await close(board, "orchestrator", await in_review(board, "orchestrator")) == of_orchestrator


async def test_a_second_reviewer_closes_what_the_first_worked_on(board):
    await flags(board, "engineer-2", is_reviewer=True)
    task = await in_review(board, "reviewer")
    assert await close(board, "orchestrator", task) == (403, "reviewer_required")
    assert await close(board, "reviewer", task) == (403, "self_review")
    assert await close(board, "engineer-2", task) == CLOSED


async def test_where_the_only_reviewer_is_barred_the_orchestrator_closes(board):
    assert await close(board, "orchestrator", await in_review(board, "reviewer")) == CLOSED


async def test_a_mere_assignment_bars_nobody(board):
    assert await close(board, "reviewer", await in_review(board, "engineer", "reviewer")) == CLOSED


async def test_a_removed_worker_stays_barred(board):
    task = await in_review(board, "reviewer")
    await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": ["engineer"], "replace": True})
    assert await close(board, "reviewer", task) == (403, "self_review")


@pytest.mark.parametrize("level", ["agent", "account"])
@pytest.mark.parametrize("flag", ["can_mark_done", "can_modify_task_status"])
async def test_a_closing_flag_that_is_off_forbids_closing(board, level, flag):
    task = await in_review(board)
    await (flags(board, "reviewer", **{flag: False}) if level == "agent" else account(board, defaults={flag: False}))
    assert await close(board, "reviewer", task) == (403, "capability_denied")
    assert (await explained(board, "reviewer", task, "task.close"))["flag"] == flag


async def test_can_mark_done_gives_nobody_the_office(board):
    await flags(board, "engineer", can_mark_done=True)
    assert await close(board, "engineer", await in_review(board)) == (403, "reviewer_required")


@pytest.mark.parametrize("status", ["inbox", "assigned", "in_progress", "blocked"])
async def test_authority_is_asked_before_the_table(board, status):
    task = await board.task(**({} if status == "inbox" else {"assignee_slugs": ["engineer"]}))
    if status in ("in_progress", "blocked"):
        body = {"task_id": task["id"], "status": status, "blocked_reason": "b"}
        await board.as_("engineer").post("/agent/task-status", json=body)
    assert await close(board, "engineer", task) == (403, "reviewer_required")
    assert await close(board, "reviewer", task) == (409, None)


async def test_the_orchestrator_in_office_does_not_retire(board):
    leader = await board.agent_id("orchestrator")
    answer = await board.person.patch(f"/api/v1/agents/{leader}", json={"retired": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "orchestrator_in_use")
    await account(board, orchestrator_agent_id=await board.agent_id("writer"))
    assert (await board.person.patch(f"/api/v1/agents/{leader}", json={"retired": True})).status_code == 200
    answer = await board.person.patch("/api/v1/account", json={"orchestrator_agent_id": leader})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")


@pytest.mark.parametrize("path", ["/api/v1/account", "/api/v1/agents/{id}", "/api/v1/tokens"])
async def test_members_change_neither_settings_nor_flags_nor_tokens(board, admin, path):
    member, at = await person(board, admin, "member"), path.format(id=await board.agent_id("engineer"))
    method = "POST" if "tokens" in path else "PATCH"
    answer = await board.as_(member).request(method, at, json={"name": "x"})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "role_denied")


REVIEWER_CASES = {
    # what the agent says, what the account says, the role, the fallback: the value and where it comes from
    "agent on": ({"is_reviewer": True}, False, "Writer", True, (True, "agent")),
    "agent off beats the role": ({"is_reviewer": False}, True, "QA", True, (False, "agent")),
    "account on": ({}, True, "Writer", True, (True, "account")),
    "account off beats the role": ({}, False, "QA", True, (False, "account")),
    "role": ({}, None, "Head of quality assurance", True, (True, "legacy")),
    "role without fallback": ({}, None, "QA", False, (False, "default")),
    "nothing": ({}, None, "Equality officer", True, (False, "default")),
}


@pytest.mark.parametrize("case", REVIEWER_CASES)
async def test_a_reviewer_is_made_by_agent_then_account_then_role(board, case):
    own, default, role, fallback, expected = REVIEWER_CASES[case]
    await account(board, defaults={"is_reviewer": default}, legacy_reviewer_fallback=fallback)
    made = await board.person.post("/api/v1/agents", json={"slug": "x", "name": "X", "role": role, "flags": own})
    assert made.status_code == 201
    policy = (await board.person.get(f"/api/v1/agents/{made.json()['id']}/effective-policy")).json()
    found = policy["flags"]["is_reviewer"]
    assert (found["value"], found["source"]) == expected


async def test_the_slug_qa_reviews_until_the_fallback_is_off(board):
    made = await board.person.post("/api/v1/agents", json={"slug": "qa", "name": "X", "role": "Y"})
    assert made.json()["is_reviewer"] is True
    await account(board, legacy_reviewer_fallback=False)
    assert (await board.person.get(f"/api/v1/agents/{made.json()['id']}")).json()["is_reviewer"] is False


async def test_account_defaults_reach_agents_that_say_nothing(board):
    await account(board, defaults={"can_create_tasks": True})
    await flags(board, "writer", can_create_tasks=False)
    for slug, expected in (("engineer", (201, None)), ("writer", (403, "capability_denied"))):
        answer = await board.as_(slug).post("/agent/task-create", json={"title": "T"})
        assert answer.status_code == expected[0]
        assert answer.json().get("error", {}).get("details", {}).get("reason") == expected[1]


ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("task.move", "/agent/task-status", {"status": "in_progress", "reason": "r"}),
    ("task.move", "/agent/task-status", {"status": "done"}),
    ("task.assign", "/agent/task-assign", {"assignee_slugs": ["writer"]}),
    ("task.message", "/agent/task-message", {"content": "hello"}),
    ("task.read", "/agent/task-load", {}),
]


@pytest.mark.parametrize(("reviewer", "orchestrator"), list(MATRIX))
async def test_explain_says_what_doing_does(board, reviewer, orchestrator):
    await arranged(board, reviewer=reviewer, orchestrator=orchestrator)
    await flags(board, "writer", can_modify_task_status=False)
    await board.person.patch(f"/api/v1/agents/{await board.agent_id('engineer')}", json={"capacity": 20})
    for who, (action, path, body) in itertools.product(("engineer", "reviewer", "writer", "orchestrator"), ASKED):
        task = await in_review(board)
        said = await explained(board, who, task, action, status=body.get("status"))
        answer = await board.as_(who).post(path, json={"task_id": task["id"]} | body)
        error = answer.json().get("error", {})
        assert (said["decision"] == "deny") == (answer.status_code == 403), (who, action, body, said, answer.text)
        assert said["reason"] == error.get("details", {}).get("reason"), (who, action)
