"""What one holder leaves, and that the next one gets it, whatever way the task changes hands."""

from typing import Any
from uuid import UUID

import pytest

from app.tasks import leasing
from app.tasks.handoffs import SHOWN_LIMIT
from app.tasks.rules.handoffs import size
from tests import make

FULL = {
    "summary": "Half of it stands.",
    "decisions": ["Keep the old format"],
    "open_questions": ["Who owns the key?"],
    "artifacts": ["branch/x"],
    "tried": ["The short way: too slow"],
}
PARTS = tuple(FULL)


async def held(board, *others: str) -> tuple[dict[str, Any], int]:
    task = await board.task(assignee_slugs=["engineer", *others])
    return task, await board.claim("engineer", task["id"])


async def post(board, who, verb, task, **fields):
    answer = await board.as_(who).post(f"/agent/{verb}", json={"task_id": task["id"]} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def loaded(board, task, who="writer") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await post(board, who, "task-load", task))["handoffs"]
    return found


def parts(handoff: dict[str, Any]) -> dict[str, Any]:
    return {name: handoff[name] for name in PARTS if handoff[name]}


async def ended(board, admin, task, fence) -> None:
    """The lease runs out and the board takes the task back."""
    await admin.execute("UPDATE tasks SET lease_until = callboard_now() - interval '1 s' WHERE id = $1", task["id"])
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        assert await leasing.expire(tx, UUID(task["id"]), fence)


async def test_the_next_holder_gets_what_was_left_with_its_claim_and_with_the_task(board):
    task, fence = await held(board, "writer")
    await post(board, "engineer", "task-release", task, fence=fence, handoff=FULL)
    taken = await post(board, "writer", "task-claim", task)
    (left,) = await loaded(board, task)
    assert taken["handoff"] == left
    assert parts(left) == FULL
    assert (left["kind"], left["author_kind"], left["author_id"]) == ("release", "agent", await board.agent_id("engineer"))
    assert (left["created_at"][-1], left["is_cut"]) == ("Z", False)
    again = await post(board, "writer", "task-claim", task)
    assert (again["is_new"], again["handoff"]) == (False, left)
    whatever = await board.as_("writer").post("/agent/task-claim", json={})
    assert whatever.json()["handoff"] == left


async def test_the_first_holder_of_a_task_finds_no_handoff(board):
    task = await board.task(assignee_slugs=["engineer"])
    assert (await post(board, "engineer", "task-claim", task))["handoff"] is None
    assert await loaded(board, task) == []


async def test_notes_are_shown_while_the_task_is_held_and_the_last_ones_count(board):
    task, fence = await held(board)
    for summary in ("first", "second"):
        await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff={"summary": summary})
    (notes,) = await loaded(board, task)
    assert (notes["kind"], notes["summary"]) == ("progress", "second")


async def test_a_holder_that_hands_over_without_a_word_leaves_its_notes(board):
    task, fence = await held(board)
    await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff=FULL)
    await post(board, "engineer", "task-release", task, fence=fence)
    (left,) = await loaded(board, task)
    assert (left["kind"], parts(left)) == ("release", FULL)


async def test_what_is_given_stands_before_notes_and_notes_before_the_reason(board):
    task, fence = await held(board)
    notes = {"summary": "notes", "decisions": ["of the notes"], "tried": ["of the notes"]}
    await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff=notes)
    handoff = {"decisions": ["given"], "artifacts": ["given"]}
    await post(board, "engineer", "task-status", task, status="review", fence=fence, reason="reason", handoff=handoff)
    (left,) = await loaded(board, task)
    assert left["kind"] == "review"
    assert parts(left) == {"summary": "notes", "decisions": ["given"], "artifacts": ["given"], "tried": ["of the notes"]}


async def test_a_reason_stands_for_a_summary(board):
    task, fence = await held(board)
    await post(board, "engineer", "task-status", task, status="blocked", blocked_reason="No key.", fence=fence)
    (left,) = await loaded(board, task)
    assert (left["kind"], parts(left)) == ("block", {"summary": "No key."})


async def test_a_lease_that_runs_out_leaves_the_last_notes_once(board, admin):
    task, fence = await held(board)
    await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff=FULL)
    await ended(board, admin, task, fence)
    (left,) = await loaded(board, task)
    assert (left["kind"], left["author_id"], parts(left)) == ("expiry", await board.agent_id("engineer"), FULL)


async def test_a_holder_that_left_no_notes_is_said_to_have_left_none(board, admin):
    task, fence = await held(board)
    await ended(board, admin, task, fence)
    (left,) = await loaded(board, task)
    assert left["summary"] == "The lease ran out and the holder left no notes."


async def assign(board, task, *slugs, who="orchestrator", **fields):
    return await post(board, who, "task-assign", task, assignee_slugs=list(slugs), **fields)


async def test_notes_of_a_holder_that_is_replaced_become_a_handoff_of_its_own(board, admin):
    task, fence = await held(board)
    await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff=FULL)
    await assign(board, task, "writer", replace=True, reason="Writer is free.", handoff={"decisions": ["Start anew"]})
    given, notes = await loaded(board, task)
    assert (given["kind"], given["author_id"]) == ("reassign", await board.agent_id("orchestrator"))
    assert parts(given) == {"summary": "Writer is free.", "decisions": ["Start anew"]}
    assert (notes["kind"], notes["author_id"], parts(notes)) == ("reassign", await board.agent_id("engineer"), FULL)
    assert (await post(board, "writer", "task-claim", task))["handoff"] == given
    told = await admin.fetchval("SELECT body FROM notifications WHERE type = 'assignment' ORDER BY id DESC LIMIT 1")
    assert told == "Writer is free."
    log = (await board.person.get(f"/api/v1/tasks/{task['id']}/events")).json()["items"]
    (moved,) = (event["payload"] for event in log if event["type"] == "board:task:assigned")
    ended = {"agent_id": await board.agent_id("engineer"), "fence": fence}
    assert (moved["reason"], moved["lease_ended"]) == ("Writer is free.", ended)


async def test_notes_of_a_holder_that_stays_are_left_alone(board):
    task, fence = await held(board)
    await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff=FULL)
    await assign(board, task, "writer")
    assert [one["kind"] for one in await loaded(board, task)] == ["progress"]


async def test_an_assignment_that_changes_nothing_leaves_nothing(board):
    task, _ = await held(board)
    await assign(board, task, "engineer", reason="Go on.", handoff=FULL)
    assert await loaded(board, task) == []


@pytest.mark.parametrize("status", ["review", "blocked", "archived"])
async def test_notes_stay_when_somebody_else_moves_the_task_away_from_its_holder(board, status):
    task, fence = await held(board)
    await post(board, "engineer", "task-heartbeat", task, fence=fence, handoff=FULL)
    body = {"status": status, "blocked_reason": "Stop."} if status == "blocked" else {"status": status}
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/status", json=body)).status_code == 200
    found = await loaded(board, task)
    assert parts(found[-1]) == FULL
    assert (found[-1]["kind"], found[-1]["author_name"]) == ("reassign", "Engineer")
    assert [one["kind"] for one in found[:-1]] == (["block"] if status == "blocked" else [])


async def reworked(board, task, **fields):
    return await post(board, "reviewer", "task-status", task, status="in_progress", **fields)


async def test_the_reviewers_reasons_reach_the_worker_every_way(board):
    task, fence = await held(board)
    await post(board, "engineer", "task-status", task, status="review", fence=fence)
    await reworked(board, task, reason="The logout is missing.", handoff={"open_questions": ["Who logs out?"]})
    assigned = await board.as_("engineer").post("/agent/next", json={"wait": 0})
    found = await board.as_("engineer").post("/agent/next", json={"wait": 0, "ack": [assigned.json()["ack"]]})
    assert found.json()["notification"]["body"] == "The logout is missing."
    taken = await post(board, "engineer", "task-claim", task)
    assert (taken["handoff"]["kind"], taken["handoff"]["author_name"]) == ("rework", "Reviewer")
    assert parts(taken["handoff"]) == {"summary": "The logout is missing.", "open_questions": ["Who logs out?"]}
    assert (await loaded(board, task, who="engineer"))[0] == taken["handoff"]


async def test_a_reviewer_that_holds_the_review_leaves_its_notes_with_its_reasons(board):
    task, fence = await held(board)
    await post(board, "engineer", "task-status", task, status="review", fence=fence)
    mine = await board.claim("reviewer", task["id"])
    await post(board, "reviewer", "task-heartbeat", task, fence=mine, handoff={"tried": ["Logged in twice"]})
    await reworked(board, task, reason="Not yet.", fence=mine)
    (left,) = await loaded(board, task)
    assert (left["kind"], parts(left)) == ("rework", {"summary": "Not yet.", "tried": ["Logged in twice"]})


async def test_the_newest_five_are_shown_newest_first_and_people_page_through_all(board):
    task, fence = await held(board)
    for number in range(7):
        await post(board, "engineer", "task-release", task, fence=fence, handoff={"summary": f"turn {number}"})
        fence = await board.claim("engineer", task["id"])
    assert [one["summary"] for one in await loaded(board, task)] == [f"turn {number}" for number in (6, 5, 4, 3, 2)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await board.person.get(f"/api/v1/tasks/{task['id']}/handoffs", params={"limit": 3, "cursor": cursor})
        page = answer.json()
        seen, cursor = [*seen, *(one["summary"] for one in page["items"])], page["next_cursor"]
    assert seen == [f"turn {number}" for number in range(6, -1, -1)]
    clamped = await board.person.get(f"/api/v1/tasks/{task['id']}/handoffs?limit=9999")
    assert clamped.json()["limit"] == 200


async def test_all_that_is_shown_is_bounded_and_what_is_cut_says_so(board):
    task, fence = await held(board)
    long = {"summary": "s" * 4000} | {name: [f"{n:02}" + "x" * 498 for n in range(20)] for name in PARTS[1:]}
    for _ in range(3):
        await post(board, "engineer", "task-release", task, fence=fence, handoff=long)
        fence = await board.claim("engineer", task["id"])
    found = await loaded(board, task)
    assert sum(size(one) for one in found) <= SHOWN_LIMIT
    assert [one["is_cut"] for one in found] == [True, True, True]
    assert found[0]["summary"] == long["summary"]
    whole = (await board.person.get(f"/api/v1/tasks/{task['id']}/handoffs")).json()["items"]
    assert [parts(one) for one in whole] == [long] * 3


BAD: list[tuple[Any, str]] = [
    ({"summary": "x" * 4001}, "handoff.summary"),
    ({"summary": None}, "handoff.summary"),
    ({"strange": 1}, "handoff"),
    ("text", "handoff"),
    *(({name: ["x"] * 21}, f"handoff.{name}") for name in PARTS[1:]),
    *(({name: ["x" * 501]}, f"handoff.{name}[0]") for name in PARTS[1:]),
    *(({name: [" "]}, f"handoff.{name}[0]") for name in PARTS[1:]),
    ({"summary": "nul \0"}, "handoff.summary"),
]


async def test_a_handoff_past_its_limits_is_refused_on_every_verb(board, admin):
    task, fence = await held(board)
    before = await admin.fetchval("SELECT last_seq FROM event_counters")
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("engineer", "task-heartbeat", {"fence": fence}),
        ("engineer", "task-release", {"fence": fence}),
        ("engineer", "task-status", {"fence": fence, "status": "review"}),
        ("orchestrator", "task-assign", {"assignee_slugs": ["writer"]}),
    ]
    for wrong, field in BAD:
        for who, verb, fields in calls:
            answer = await board.as_(who).post(f"/agent/{verb}", json={"task_id": task["id"], "handoff": wrong} | fields)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (422, "validation_failed"), (verb, wrong)
            assert error["details"]["fields"][0]["field"] in (field, "strange"), (verb, answer.text)
        body = {"assignee_slugs": ["writer"], "handoff": wrong}
        assert (await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json=body)).status_code == 422
    assert await admin.fetchval("SELECT last_seq FROM event_counters") == before
    assert await admin.fetchval("SELECT count(*) FROM task_handoffs") == 0
