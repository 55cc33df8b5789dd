"""A board with a task in every state, tied to others and moved about by chance."""

import random
from typing import Any

from tests.agentapi import trying

CREW = ("engineer", "engineer-2", "writer", "reviewer", "orchestrator")


async def principals(board) -> dict[str, Any]:
    agents = (await board.person.get("/api/v1/agents")).json()["items"]
    return {agent["slug"]: trying.principal(board, agent["slug"], agent["id"]) for agent in agents}


WAYS: dict[str, tuple[str, ...]] = {
    "inbox": (),
    "assigned": (),
    "begun": ("in_progress",),
    "held": ("claim",),
    "in review": ("claim", "review"),
    "review held": ("claim", "review", "claim review"),
    "proven": ("claim", "prove", "review"),
    "rework": ("claim", "review", "in_progress"),
    "blocked": ("blocked",),
    "done": ("in_progress", "review", "done"),
    "archived": ("archived",),
}


async def populated(board, chance: random.Random, who: dict[str, Any]) -> list[str]:
    """A task in each state, tied to others by chance; some acts fail, as they should, and leave another state."""
    tasks: list[str] = []
    for number, (name, way) in enumerate(WAYS.items()):
        crew = [] if name == "inbox" else ["engineer", *chance.sample(CREW[1:], chance.choice((0, 1)))]
        fields: dict[str, Any] = {"title": f"{name} {number * 7919}", "assignee_slugs": crew}
        if tasks and chance.random() < 0.25:
            fields["depends_on"] = [chance.choice(tasks)]
        elif tasks and chance.random() < 0.25:
            fields["parent_id"] = chance.choice(tasks[:5])
        if name == "proven" or chance.random() < 0.5:
            fields["acceptance_criteria"] = ["it works", "it is written down"][: chance.randint(1, 2)]
        task = await board.task(**fields)
        tasks.append(task["id"])
        for step in way:
            await take(board, chance, who, task["id"], step)
    for _ in range(15):
        await act(board, chance, who, chance.choice(tasks))
    return tasks


async def take(board, chance: random.Random, who: dict[str, Any], task: str, step: str) -> None:
    place = f"/api/v1/tasks/{task}"
    if step.startswith("claim"):
        await board.as_("reviewer" if step == "claim review" else "engineer").post("/agent/task-claim", json={"task_id": task})
    elif step == "prove":
        _, scene = await trying.seen(board, who["engineer"], task)
        for one in scene.criteria:
            # A verdict of a person is not an agent's to change.
            if chance.random() < 0.5:
                await board.person.post(f"{place}/evidence", json={"position": one.position, "is_met": True})
            else:
                await tried(board, who, "engineer", task, "task-evidence", {"position": one.position})
    else:
        await board.person.post(f"{place}/status", json={"status": step, "blocked_reason": "stuck", "reason": "so"})


async def act(board, chance: random.Random, who: dict[str, Any], task: str) -> None:
    """Something that an agent might do; most of it is refused."""
    verb, arguments = chance.choice([one for one in trying.CANDIDATES if one[0] != "task-delete"])
    await tried(board, who, chance.choice(CREW), task, verb, arguments)


async def tried(board, who: dict[str, Any], slug: str, task: str, verb: str, arguments: dict[str, Any]) -> None:
    card, scene = await trying.seen(board, who[slug], task)
    await board.as_(slug).post(f"/agent/{verb}", json=trying.body(who[slug], card, scene, verb, arguments))
