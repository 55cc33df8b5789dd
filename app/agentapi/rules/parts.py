"""What answers of several states have in common."""

from collections.abc import Sequence

from app.agentapi.rules.crew import Crew, agents, persons, step
from app.agentapi.rules.words import any_of, moment
from app.agentapi.types import Obstacle, Step, WaitsFor
from app.policies.types import Action
from app.tasks.rules import hints, reservations
from app.tasks.types import Conflict, Linked, QuarantineReason

SHOWN_MOST = 20
_WENT_ROUND = {
    QuarantineReason.NO_PROGRESS: "its last runs brought it no further",
    QuarantineReason.WAKE_BUDGET: "agents were woken about it too often within an hour",
    QuarantineReason.ROUND_AND_ROUND: "the same agents woke each other again and again",
    None: "its wake-ups led nowhere",
}


def held(crew: Crew, kind: WaitsFor) -> Obstacle:
    """Somebody has it; who is named only while the policies let the holder go on."""
    card = crew.card
    holder = crew.scene.agent(card.lease_agent_id)
    can = holder is not None and bool(crew.those([holder], _goes_on))
    name = holder.slug if holder else "an agent"
    until = "" if card.lease_until is None else f" until {moment(card.lease_until)}"
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


def reserved(those: Sequence[Conflict]) -> list[dict[str, object]]:
    return [reservations.shown(one) for one in those[:SHOWN_MOST]]


def unowned(crew: Crew) -> Obstacle:
    return Obstacle(
        waits_for=WaitsFor.UNOWNED,
        words=f"Nobody is on it; {any_of(crew.assigners())} has to assign somebody.",
        who=crew.assigners(),
        details={"open_pool": False},
        step=step(crew.leaders, "task-assign", "assignee_slugs"),
    )


def quarantined(crew: Crew) -> Obstacle:
    """The board wakes no agent about it; agents may still work on it, and a person lets the others be woken again."""
    lifters = persons(crew.people(Action.TASK_LIFT))
    return Obstacle(
        waits_for=WaitsFor.QUARANTINED,
        words=f"It is quarantined: {_WENT_ROUND[crew.card.quarantine_reason]}; {any_of(lifters)} may lift that.",
        who=lifters,
        details={"reason": crew.card.quarantine_reason, "since": crew.card.quarantined_at, "chain": list(crew.facts.chain)},
    )
