"""Cases of reserving files, and of naming the repository of a task."""

from typing import Any

from tests.conformance.steps import Case, Check, asked, flags, held, task
from tests.conformance.transports import Answer
from tests.conformance.worlds import World

SRC = [{"pattern": "src/**"}]
MINE = {"task_id": "{task}", "fence": "{fence}"}
OTHERS = (task("writer", name="other", reserve=SRC), asked("writer", "task-claim", task_id="{other}"))


def reserves(*patterns: str) -> Check:
    """The task has or wants exactly these files."""

    async def check(world: World, _: Answer) -> None:
        found = await world.got(f"/api/v1/tasks/{world.things['task']}")
        assert [one["pattern"] for one in found["reservations"]] == list(patterns)

    return check


def wishes(*patterns: str) -> list[dict[str, Any]]:
    return [{"pattern": one} for one in patterns]


CASES = (
    Case(
        verb="task-reserve",
        name="the holder adds files",
        given=(held(),),
        sends=MINE | {"reserve": [{"pattern": "src/api/", "mode": "shared", "ttl_seconds": 60}]},
        then=reserves("src/api/**"),
    ),
    Case(
        verb="task-reserve",
        name="and gives files back",
        given=(task("engineer", reserve=SRC), held()),
        sends=MINE | {"release": ["src/**"], "reserve": wishes("docs")},
        then=reserves("docs"),
    ),
    Case(
        verb="task-reserve",
        name="what another has",
        given=(*OTHERS, held()),
        sends=MINE | {"reserve": wishes("src/a")},
        refused="held",
        says={"reason": "files"},
        then=reserves(),
    ),
    Case(
        verb="task-reserve",
        name="no fence",
        given=(held(),),
        sends={"task_id": "{task}", "reserve": SRC},
        refused="lease_required",
    ),
    Case(
        verb="task-reserve",
        name="a stale fence",
        given=(held(),),
        sends={"task_id": "{task}", "fence": 999, "reserve": SRC},
        refused="lease_lost",
    ),
    Case(
        verb="task-reserve",
        name="of another",
        who="writer",
        given=(held(),),
        sends={"task_id": "{task}", "reserve": SRC},
        refused="forbidden",
        says={"reason": "not_assigned"},
    ),
    Case(
        verb="task-reserve",
        name="not begun",
        given=(task("engineer"),),
        sends={"task_id": "{task}", "reserve": SRC},
        refused="lease_required",
    ),
    Case(
        verb="task-reserve",
        name="out of the repository",
        given=(held(),),
        sends=MINE | {"reserve": wishes("../secrets")},
        refused="validation_failed",
        field="reserve[0]",
        then=reserves(),
    ),
    Case(
        verb="task-reserve",
        name="nothing",
        given=(held(),),
        sends=MINE,
        refused="validation_failed",
    ),
    Case(
        verb="task-reserve",
        name="one key is one reservation",
        given=(held(),),
        sends=MINE | {"reserve": SRC},
        key="r1",
        then=reserves("src/**"),
    ),
    Case(verb="task-reserve", name="nowhere", sends={"task_id": "{absent}", "reserve": SRC}, refused="not_found"),
    Case(
        verb="task-claim",
        name="with files",
        given=(task("engineer"),),
        sends={"task_id": "{task}", "reserve": SRC},
        then=reserves("src/**"),
    ),
    Case(
        verb="task-claim",
        name="whose files another has",
        given=(*OTHERS, task("engineer", reserve=wishes("src/a"))),
        sends={"task_id": "{task}"},
        refused="held",
        says={"reason": "files"},
    ),
    Case(
        verb="task-claim",
        name="passes over what cannot start",
        given=(*OTHERS, task("engineer", reserve=wishes("src/a"))),
        says={"task": None},
    ),
    Case(
        verb="task-status",
        name="started while another has its files",
        given=(*OTHERS, task("engineer", reserve=wishes("src/a"))),
        sends={"task_id": "{task}", "status": "in_progress"},
        refused="held",
        says={"reason": "files"},
    ),
    Case(
        verb="task-create",
        name="with files",
        given=(flags("engineer", can_create_tasks=True),),
        sends={"title": "Mine", "reserve": SRC},
        says={"repository": None},
    ),
    Case(
        verb="task-create",
        name="in a repository that is none",
        given=(flags("engineer", can_create_tasks=True),),
        sends={"title": "Mine", "repository": "nowhere"},
        refused="validation_failed",
        field="repository",
    ),
    Case(
        verb="task-update",
        name="the orchestrator says which files",
        who="orchestrator",
        given=(task("engineer"),),
        sends={"task_id": "{task}", "reserve": SRC},
        then=reserves("src/**"),
    ),
    Case(
        verb="task-update",
        name="a worker does not say which files",
        given=(held(),),
        sends=MINE | {"reserve": SRC},
        refused="forbidden",
        says={"reason": "orchestrator_required"},
        then=reserves(),
    ),
    Case(
        verb="task-why",
        name="files that another has",
        given=(*OTHERS, task("engineer", reserve=wishes("src/a"))),
        sends={"task_id": "{task}"},
        says={"waits_for": "files_reserved"},
    ),
)
