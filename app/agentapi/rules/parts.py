"""What answers of several states have in common."""

from collections.abc import Sequence
from datetime import UTC

from app.agentapi.rules.crew import Crew, agents, step
from app.agentapi.rules.words import any_of
from app.agentapi.types import Obstacle, Step, WaitsFor
from app.tasks.rules import hints
from app.tasks.types import Linked

SHOWN_MOST = 20


def held(crew: Crew, kind: WaitsFor) -> Obstacle:
    """Somebody has it; who is named only while the policies let the holder go on."""
    card = crew.card
    holder = crew.scene.agent(card.lease_agent_id)
    can = holder is not None and bool(crew.those([holder], _goes_on))
    name = holder.slug if holder else "an agent"
    until = "" if card.lease_until is None else f" until {card.lease_until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    words = f"{name} holds it{until}." if can else f"{name} holds it{until}, and may not go on with it."
    return Obstacle(
        waits_for=kind,
        words=words,
        who=agents([holder]) if holder is not None and can else (),
        until=card.lease_until,
        details={"holder": name, "kind": card.lease_kind},
        step=Step(verb="task-status", needs=("fence", "status")) if can and kind is WaitsFor.HELD else None,
    )


def _goes_on(case: hints.Case) -> bool:
    return any(hints.may_move(case, goal) for goal in hints.GOALS)


def linked(those: Sequence[Linked]) -> list[dict[str, object]]:
    return [{"id": one.id, "title": one.title, "status": one.status} for one in those[:SHOWN_MOST]]


def unowned(crew: Crew) -> Obstacle:
    return Obstacle(
        waits_for=WaitsFor.UNOWNED,
        words=f"Nobody is on it; {any_of(crew.assigners())} has to assign somebody.",
        who=crew.assigners(),
        details={"open_pool": False},
        step=step(crew.leaders, "task-assign", "assignee_slugs"),
    )
