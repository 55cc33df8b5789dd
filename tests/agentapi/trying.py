"""Trying out every verb about a task without doing it: in a transaction that is always undone."""

from typing import Any
from uuid import UUID

import msgspec

from app import main
from app.kernel.errors import CallboardError
from app.kernel.types import ActorKind, Principal
from app.policies.verbs import Verb
from app.tasks import hints, scenes
from app.tasks.rules import hints as rules
from app.tasks.rules import leases
from app.tasks.types import Card, Scene
from tests.make import ORIGIN

VERBS: dict[str, Verb] = {verb.name: verb for verb in main.VERBS}
UPDATE = "task-update"
CANDIDATES: list[tuple[str, dict[str, Any]]] = [
    *(("task-status", {"status": goal.value}) for goal in rules.GOALS),
    *(
        (name, {})
        for name in (
            "task-claim",
            "task-heartbeat",
            "task-release",
            "task-reserve",
            UPDATE,
            "task-evidence",
            "task-link-pr",
            "task-message",
            "response-request",
            "task-assign",
            "task-delete",
        )
    ),
]
GIVEN: dict[str, Any] = {
    "content": "a word",
    "message": "a question",
    "labels": ["a-label"],
    "reason": "because",
    "blocked_reason": "because",
    "assignee_slugs": ["writer"],
    "vcs_ref": {"provider": "forge", "repository": "a/b", "number": 1},
    "is_met": True,
    "reserve": [{"pattern": "docs/a-file", "mode": "shared"}],
}


class Undone(Exception):
    """Ends the transaction so that nothing is kept."""


def principal(board, slug: str, agent_id: str) -> Principal:
    scopes = frozenset({"agent"})
    return Principal(kind=ActorKind.AGENT, id=UUID(agent_id), account_id=board.account_id, name=slug, scopes=scopes)


async def seen(board, who: Principal, task_id: str) -> tuple[Card, Scene]:
    async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
        return await scenes.look(tx, who, UUID(task_id))


def body(who: Principal, card: Card, scene: Scene, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The best arguments that this caller could send."""
    takes = {"task_id", "labels", "fence"} if verb == UPDATE else set(VERBS[verb].body.__struct_fields__)
    takes -= {"reserve"} if verb == "task-claim" else set()
    recipient = "writer" if who.name != "writer" else "engineer"
    known: dict[str, Any] = {"task_id": str(card.id), "recipient_slugs": [recipient]} | GIVEN | arguments
    if card.lease_agent_id == who.id and leases.is_held(card, now=scene.now):
        known["fence"] = card.lease_fence
    if "position" in takes:
        criteria = rules.agents_criteria(card, scene) or scene.criteria
        known["position"] = criteria[0].position if criteria else 1
    if verb == "task-delete" and scene.open_children:
        known["children"] = "detach"
    return {name: value for name, value in known.items() if name in takes}


async def works(board, who: Principal, verb: str, given: dict[str, Any]) -> bool:
    """Whether the call would be accepted, down to what the database says."""
    try:
        async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
            await VERBS[verb].act(tx, who, msgspec.convert(given, VERBS[verb].body))
            await tx.flush()
            raise Undone
    except Undone:
        return True
    except CallboardError:
        return False


async def accepted(board, who: Principal, task_id: str) -> set[str]:
    """The candidates that work."""
    card, scene = await seen(board, who, task_id)
    found = set()
    for verb, arguments in CANDIDATES:
        if await works(board, who, verb, body(who, card, scene, verb, arguments)):
            found.add(called(verb, arguments))
    return found


def called(verb: str, arguments: dict[str, Any]) -> str:
    return " ".join([verb, *map(str, arguments.values())])


async def hinted(board, who: Principal, task_id: str) -> list[dict[str, Any]]:
    async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
        view = await hints.read(tx, who, UUID(task_id))
    found: list[dict[str, Any]] = msgspec.to_builtins(view.next_actions)
    return found
