"""What stands between a task that was worked on and its end."""

from collections.abc import Iterator
from typing import Any

from app.agentapi.rules.crew import Crew, agents, persons, step
from app.agentapi.rules.parts import SHOWN_MOST, held, linked, unowned
from app.agentapi.rules.words import lack, listed, tasks
from app.agentapi.types import Obstacle, Step, WaitsFor, Who
from app.policies.closing import may_close
from app.policies.types import Action, Denied, Evidence
from app.tasks.rules import evidence, hints, leases
from app.tasks.rules.evidence import Shortfall
from app.tasks.types import TaskStatus


def in_review(crew: Crew) -> Iterator[Obstacle]:
    yield from unfinished(crew)
    able = crew.those(crew.workers, lambda case: hints.may_write(case, Action.TASK_CLOSE, goal=TaskStatus.DONE))
    is_held = leases.is_held(crew.card, now=crew.scene.now)
    if is_held:
        yield held(crew, WaitsFor.REVIEW_HELD)
    if not is_held or all(one.id != crew.card.lease_agent_id for one in able):
        yield _to_close(crew, agents(able))
    if not crew.scene.assignees:
        yield unowned(crew)


def unfinished(crew: Crew) -> Iterator[Obstacle]:
    """What keeps the task from `done`, whoever closes it."""
    children = crew.scene.open_children
    if children:
        yield Obstacle(
            waits_for=WaitsFor.OPEN_CHILDREN,
            words=f"It is done only after {tasks(len(children))} below it.",
            details={"children": linked(children)},
            step=Step(verb="task-why", arguments={"task_id": children[0].id}),
        )
    lacks = evidence.shortfall(crew.scene.criteria, level=crew.scene.account.evidence)
    if lacks is not None:
        yield _unproven(crew, lacks) if lacks.criteria else _without_criteria(crew, lacks)


def _unproven(crew: Crew, lacks: Shortfall) -> Obstacle:
    agents_own = {one.id for one in hints.agents_criteria(crew.card, crew.scene)}
    places = [one.position for one in lacks.criteria if one.id in agents_own]
    provers = crew.those(crew.workers, hints.may_prove) if places else ()
    needs = ("is_met", "artifact", "artifact_hash") if lacks.level is Evidence.CHECKED else ("is_met",)
    shown = [{"id": one.id, "position": one.position, "text": one.text, "gap": one.gap} for one in lacks.criteria[:SHOWN_MOST]]
    number, of = len(lacks.criteria), len(crew.scene.criteria)
    return Obstacle(
        waits_for=WaitsFor.EVIDENCE_MISSING,
        words=f"This account closes a task on evidence, which {number} of its {of} criteria {lack(number)}.",
        who=(*agents(provers), *persons(crew.people(Action.TASK_EVIDENCE))),
        details={"level": lacks.level, "criteria": shown},
        step=step(provers, "task-evidence", *needs, position=places[0]) if places else None,
    )


def _without_criteria(crew: Crew, lacks: Shortfall) -> Obstacle:
    editors = crew.those(crew.workers, lambda case: hints.may_write(case, Action.TASK_UPDATE))
    return Obstacle(
        waits_for=WaitsFor.EVIDENCE_MISSING,
        words="This account closes a task on evidence, and this one has no acceptance criteria to prove.",
        who=(*agents(editors), *persons(crew.people(Action.TASK_UPDATE))),
        details={"level": lacks.level, "criteria": []},
        step=step(editors, "task-update", "acceptance_criteria"),
    )


def _to_close(crew: Crew, able: tuple[Who, ...]) -> Obstacle:
    kept_out = _kept_out(crew, able)
    people = persons(crew.people(Action.TASK_CLOSE))
    if not able:
        return Obstacle(
            waits_for=WaitsFor.REVIEWER_TO_CLOSE,
            words="No agent may close it, so a person has to.",
            who=people,
            details={"party": "people", "obstacle": crew.closing.obstacle, "kept_out": kept_out},
        )
    names = listed([one.slug or one.name for one in able], joint="or")
    those = [one for one in crew.scene.crew if one.id in {each.id for each in able}]
    return Obstacle(
        waits_for=WaitsFor.REVIEWER_TO_CLOSE,
        words=f"It is in review, and {names} has to look at it.",
        who=able,
        details={"party": crew.closing.party, "kept_out": kept_out, "told": crew.told(those)},
        step=Step(verb="task-status", arguments={"status": TaskStatus.DONE.value}),
    )


def _kept_out(crew: Crew, able: tuple[Who, ...]) -> list[dict[str, Any]]:
    """Those whose office it would be, and why they may not."""
    known = {one.id for one in able}
    office = {*crew.closing.barred, *crew.closing.ids, crew.scene.account.orchestrator_agent_id} - known
    found: list[dict[str, Any]] = []
    for one in crew.scene.crew:
        decision = may_close(one, crew.scene.crew, crew.scene.account) if one.id in office else None
        if isinstance(decision, Denied) and len(found) < SHOWN_MOST:
            found.append({"slug": one.slug, "reason": decision.reason, "detail": decision.detail})
    return found


def closed(crew: Crew) -> Iterator[Obstacle]:
    is_done = crew.card.status is TaskStatus.DONE
    who = persons(crew.people(Action.TASK_REOPEN if is_done else Action.TASK_RESTORE))
    words = "It is done; a person may reopen it." if is_done else "It is archived; a person may restore it."
    yield Obstacle(waits_for=WaitsFor.CLOSED, words=words, who=who, details={"since": crew.facts.since})
