"""Cases of moving cards, changing them, and vouching for what they ask."""

from tests.conformance.steps import Case, account, held, is_now, moved, reviewable, task

MINE = (task("engineer"),)
REVIEW = {"task_id": "{task}", "status": "review"}

MOVES = (
    Case(
        verb="task-status",
        name="starting claims",
        given=MINE,
        sends={"task_id": "{task}", "status": "in_progress"},
        then=is_now(status="in_progress", lease_kind="work"),
    ),
    Case(
        verb="task-status",
        name="to review with the fence",
        given=(held(),),
        sends=REVIEW | {"fence": "{fence}", "handoff": {"summary": "done", "artifacts": ["a.txt"]}},
        then=is_now(status="review", lease_kind=None),
    ),
    Case(
        verb="task-status",
        name="blocked with a reason",
        given=(held(),),
        sends={"task_id": "{task}", "status": "blocked", "blocked_reason": "no key", "fence": "{fence}"},
        then=is_now(status="blocked", blocked_reason="no key"),
    ),
    Case(
        verb="task-status",
        name="done by the reviewer",
        who="reviewer",
        given=(reviewable(),),
        sends={"task_id": "{task}", "status": "done"},
        then=is_now(status="done"),
    ),
    Case(
        verb="task-status",
        name="sent back by the reviewer",
        who="reviewer",
        given=(reviewable(),),
        sends={"task_id": "{task}", "status": "in_progress", "reason": "no test"},
        then=is_now(status="in_progress"),
    ),
    Case(
        verb="task-status",
        name="done by the worker",
        given=(reviewable(),),
        sends={"task_id": "{task}", "status": "done"},
        refused="forbidden",
        says={"reason": "reviewer_required"},
        then=is_now(status="review"),
    ),
    Case(
        verb="task-status",
        name="of another",
        who="writer",
        given=(held(),),
        sends=REVIEW,
        refused="forbidden",
        says={"reason": "not_assigned"},
    ),
    Case(
        verb="task-status",
        name="without the fence",
        given=(held(),),
        sends=REVIEW,
        refused="lease_required",
        then=is_now(status="in_progress"),
    ),
    Case(
        verb="task-status",
        name="with a stale fence",
        given=(held(),),
        sends=REVIEW | {"fence": 999},
        refused="lease_lost",
        then=is_now(status="in_progress"),
    ),
    Case(
        verb="task-status",
        name="from another state",
        given=(held(),),
        sends=REVIEW | {"fence": "{fence}", "expected_status": "blocked"},
        refused="version_conflict",
    ),
    Case(
        verb="task-status",
        name="of another version",
        given=(held(),),
        sends=REVIEW | {"fence": "{fence}", "expected_version": 99},
        refused="version_conflict",
    ),
    Case(
        verb="task-status",
        name="past a step",
        given=MINE,
        sends=REVIEW,
        refused="invalid_transition",
        then=is_now(status="assigned"),
    ),
    Case(
        verb="task-status",
        name="blocked without a reason",
        given=(held(),),
        sends={"task_id": "{task}", "status": "blocked", "fence": "{fence}"},
        refused="requirement_failed",
        then=is_now(status="in_progress"),
    ),
    Case(
        verb="task-status",
        name="to a state for people",
        given=MINE,
        sends={"task_id": "{task}", "status": "archived"},
        refused="validation_failed",
        field="status",
    ),
    Case(
        verb="task-status",
        name="one key is one move",
        given=MINE,
        sends={"task_id": "{task}", "status": "in_progress"},
        key="m1",
        then=is_now(version=2),
    ),
    Case(
        verb="task-status",
        name="evidence is missing",
        who="reviewer",
        given=(
            account(evidence="claimed"),
            task("engineer", acceptance_criteria=["It works"]),
            held(),
            moved("review"),
        ),
        sends={"task_id": "{task}", "status": "done"},
        refused="requirement_failed",
        then=is_now(status="review"),
    ),
)

EVIDENCE = (
    Case(
        verb="task-evidence",
        name="the holder vouches",
        given=(task("engineer", acceptance_criteria=["It works"]), held()),
        sends={"task_id": "{task}", "position": 1, "is_met": True, "artifact": "log.txt", "fence": "{fence}"},
        says={"unproven": []},
    ),
    Case(
        verb="task-evidence",
        name="with a stale fence",
        given=(task("engineer", acceptance_criteria=["It works"]), held()),
        sends={"task_id": "{task}", "position": 1, "is_met": True, "fence": 999},
        refused="lease_lost",
    ),
    Case(
        verb="task-evidence",
        name="by somebody else",
        who="writer",
        given=(task("engineer", acceptance_criteria=["It works"]), held()),
        sends={"task_id": "{task}", "position": 1, "is_met": True},
        refused="forbidden",
        says={"reason": "not_assigned"},
    ),
    Case(
        verb="task-evidence",
        name="a person's verdict",
        given=(task("engineer", acceptance_criteria=["It works"]), held()),
        sends={"task_id": "{task}", "position": 1, "is_met": True, "verdict": "person_checked", "fence": "{fence}"},
        refused="validation_failed",
        field="verdict",
    ),
)

CASES = (*MOVES, *EVIDENCE)
