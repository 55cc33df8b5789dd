"""Cases of looking over the board, and of taking tasks off it."""

from typing import Any

from tests.conformance.steps import Case, asked, held, is_now, moved, said, task

OTHERS: dict[str, Any] = {"refused": "forbidden", "says": {"reason": "orchestrator_required"}}
REF = {"provider": "forge", "repository": "crew/stage", "number": 7}
LOOK = (task("engineer"), task("writer", name="lamp"))

READS = (
    Case(verb="task-list", name="all", who="orchestrator", given=LOOK, says={"limit": 50, "next_cursor": None}),
    Case(verb="task-list", name="of one agent", who="orchestrator", given=LOOK, sends={"assignee_slug": "@Writer "}),
    Case(verb="task-list", name="a page", who="orchestrator", given=LOOK, sends={"limit": 1}, says={"limit": 1}),
    Case(
        verb="task-list",
        name="of nobody",
        who="orchestrator",
        sends={"assignee_slug": "nobody"},
        refused="validation_failed",
        field="assignee_slug",
    ),
    Case(
        verb="task-list",
        name="in no such state",
        who="orchestrator",
        sends={"status": "lost"},
        refused="validation_failed",
        field="status",
    ),
    Case(verb="task-list", name="by a worker", **OTHERS),
    Case(
        verb="task-get",
        name="by the orchestrator",
        who="orchestrator",
        given=LOOK,
        sends={"task_id": "{task}"},
        says={"title": "A task"},
    ),
    Case(verb="task-get", name="nothing", who="orchestrator", sends={"task_id": "{absent}"}, refused="not_found"),
    Case(verb="task-get", name="by a worker", given=LOOK, sends={"task_id": "{task}"}, **OTHERS),
    Case(
        verb="task-search",
        name="a word of a title",
        who="orchestrator",
        given=LOOK,
        sends={"query": "lamp"},
        says={"is_complete": True},
    ),
    Case(
        verb="task-search", name="no words", who="orchestrator", sends={"query": " "}, refused="validation_failed", field="query"
    ),
    Case(
        verb="task-search",
        name="too many words",
        who="orchestrator",
        sends={"query": "x" * 401},
        refused="validation_failed",
        field="query",
    ),
    Case(verb="task-search", name="by a worker", sends={"query": "task"}, **OTHERS),
    Case(
        verb="task-thread",
        name="its first page",
        who="orchestrator",
        given=(*LOOK, said("one", "two")),
        sends={"task_id": "{task}", "limit": 1},
        says={"limit": 1},
    ),
    Case(
        verb="task-thread",
        name="a broken cursor",
        who="orchestrator",
        given=LOOK,
        sends={"task_id": "{task}", "cursor": "x"},
        refused="validation_failed",
        field="cursor",
    ),
    Case(verb="task-thread", name="by a worker", given=LOOK, sends={"task_id": "{task}"}, **OTHERS),
    Case(
        verb="task-history",
        name="what was said and done",
        given=(held(), said("one")),
        sends={"task_id": "{task}", "message_limit": 9999, "event_limit": 9999},
        says={"message_limit": 200, "event_limit": 200},
    ),
    Case(verb="task-history", name="of nothing", sends={"task_id": "{absent}"}, refused="not_found"),
)

WRITES = (
    Case(
        verb="task-delete",
        name="with a reason",
        who="orchestrator",
        given=(held(),),
        sends={"task_id": "{task}", "reason": "asked twice"},
        says={"status": "archived"},
        then=is_now(status="archived", lease_kind=None),
    ),
    Case(
        verb="task-delete",
        name="without a reason",
        who="orchestrator",
        given=LOOK,
        sends={"task_id": "{task}"},
        refused="validation_failed",
        field="reason",
        then=is_now(status="assigned"),
    ),
    Case(
        verb="task-delete",
        name="by a worker",
        given=LOOK,
        sends={"task_id": "{task}", "reason": "x"},
        then=is_now(status="assigned"),
        **OTHERS,
    ),
    Case(
        verb="task-delete",
        name="twice",
        who="orchestrator",
        given=(task(), moved("archived")),
        sends={"task_id": "{task}", "reason": "x"},
        refused="invalid_transition",
    ),
    Case(
        verb="task-delete",
        name="above open sub-tasks",
        who="orchestrator",
        given=(task(), task(name="part", parent_id="{task}")),
        sends={"task_id": "{task}", "reason": "x"},
        refused="requirement_failed",
        says={"requirement": "children"},
        then=is_now(status="inbox"),
    ),
    Case(
        verb="task-link-pr",
        name="by its holder",
        given=(held(),),
        sends={"task_id": "{task}", "vcs_ref": REF, "fence": "{fence}"},
        says={"is_new": True} | REF,
    ),
    Case(
        verb="task-link-pr",
        name="the same again",
        given=(held(), asked("engineer", "task-link-pr", task_id="{task}", vcs_ref=REF, fence="{fence}")),
        sends={"task_id": "{task}", "vcs_ref": REF, "fence": "{fence}"},
        says={"is_new": False},
    ),
    Case(
        verb="task-link-pr",
        name="without the fence",
        given=(held(),),
        sends={"task_id": "{task}", "vcs_ref": REF},
        refused="lease_required",
    ),
    Case(
        verb="task-link-pr",
        name="by a stranger",
        who="writer",
        given=(held(),),
        sends={"task_id": "{task}", "vcs_ref": REF},
        refused="forbidden",
        says={"reason": "not_assigned"},
    ),
    Case(
        verb="task-link-pr",
        name="an address that is none",
        given=(held(),),
        sends={"task_id": "{task}", "vcs_ref": {"provider": "forge", "url": "javascript:x"}, "fence": "{fence}"},
        refused="validation_failed",
    ),
)

SKILLS = (
    Case(verb="get-agent-skills", name="of all", says={"limit": 50, "next_cursor": None}),
    Case(verb="get-agent-skills", name="of one, as people write it", sends={"agent_slug": "@Writer "}, says={"limit": 1}),
    Case(verb="get-agent-skills", name="a page", sends={"limit": 2}, says={"limit": 2, "next_cursor": "engineer-2"}),
    Case(verb="get-agent-skills", name="of nobody", sends={"agent_slug": "nobody"}, refused="not_found"),
)

CASES = (*READS, *WRITES, *SKILLS)
