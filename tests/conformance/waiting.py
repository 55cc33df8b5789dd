"""Cases of what waits for what: dependencies, sub-tasks, near duplicates, and the answer to why."""

from tests.conformance.steps import Case, flags, held, is_now, moved, task, tasks_there

MAKER = flags("engineer", can_create_tasks=True)
FIRST = task("writer", name="first")
SECOND = task("engineer", depends_on=["{first}"])

WHY = (
    Case(verb="task-why", name="its assignee has to start", given=(task("engineer"),), sends={"task_id": "{task}"}),
    Case(verb="task-why", name="somebody holds it", who="writer", given=(held(),), sends={"task_id": "{task}"}),
    Case(verb="task-why", name="nobody is on it", who="orchestrator", given=(task(),), sends={"task_id": "{task}"}),
    Case(verb="task-why", name="it is over", given=(task("engineer"), moved("archived")), sends={"task_id": "{task}"}),
    Case(verb="task-why", name="there is none", sends={"task_id": "{absent}"}, refused="not_found"),
    Case(verb="task-why", name="no id", refused="validation_failed", field="task_id"),
)

DEPENDENCIES = (
    Case(
        verb="task-claim",
        name="while another is not done",
        given=(FIRST, SECOND),
        sends={"task_id": "{task}"},
        refused="dependency_open",
        then=is_now(status="assigned", lease_kind=None),
    ),
    Case(
        verb="task-status",
        name="to in_progress while another is not done",
        given=(FIRST, SECOND),
        sends={"task_id": "{task}", "status": "in_progress"},
        refused="dependency_open",
        then=is_now(status="assigned"),
    ),
    Case(
        verb="task-claim",
        name="after another was archived before it was done",
        given=(FIRST, SECOND, moved("archived", name="first")),
        sends={"task_id": "{task}"},
        refused="dependency_archived",
    ),
    Case(
        verb="task-create",
        name="that waits for another",
        given=(MAKER, FIRST),
        sends={"title": "Second", "depends_on": ["{first}"]},
        then=tasks_there(2),
    ),
    Case(
        verb="task-create",
        name="that waits for nothing there is",
        given=(MAKER,),
        sends={"title": "Second", "depends_on": ["{absent}"]},
        refused="not_found",
        then=tasks_there(0),
    ),
    Case(
        verb="task-create",
        name="below another",
        given=(MAKER, task("engineer", name="first")),
        sends={"title": "Part", "parent_id": "{first}"},
        then=tasks_there(2),
    ),
    Case(
        verb="task-create",
        name="below one that is not the maker's",
        given=(MAKER, FIRST),
        sends={"title": "Part", "parent_id": "{first}"},
        refused="forbidden",
        says={"reason": "not_assigned"},
        then=tasks_there(1),
    ),
)

LIKE = task("writer", name="first", title="Write the release note for the parser")
DUPLICATES = (
    Case(
        verb="task-create",
        name="like an open one",
        given=(MAKER, LIKE),
        sends={"title": "Write the release notes for the parser"},
        refused="possible_duplicate",
        then=tasks_there(1),
    ),
    Case(
        verb="task-create",
        name="like an open one but not the same",
        given=(MAKER, LIKE),
        sends={"title": "Write the release notes for the parser", "not_duplicate_because": "that is last year's"},
        then=tasks_there(2),
    ),
)

CASES = (*WHY, *DEPENDENCIES, *DUPLICATES)
