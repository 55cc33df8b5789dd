"""What a task waits for until it comes to review."""

from collections.abc import Iterator, Sequence

from app.agentapi.rules import finishing
from app.agentapi.rules.crew import Crew, agents, persons, step
from app.agentapi.rules.parts import held, linked, reserved, unowned
from app.agentapi.rules.words import any_of, be, have, hold, listed, moment, tasks
from app.agentapi.types import Obstacle, Step, WaitsFor, Who
from app.kernel.types import ActorKind
from app.policies.types import Action, AgentFacts
from app.tasks.rules import hints, leases
from app.tasks.types import TaskStatus, WorktreeState

THE_BOARD = Who(kind=ActorKind.SYSTEM, name="Callboard")


def in_inbox(crew: Crew) -> Iterator[Obstacle]:
    yield from _dependencies(crew)
    yield from _files(crew)
    takers = crew.those(crew.scene.crew, hints.may_claim)
    if takers:
        yield Obstacle(
            waits_for=WaitsFor.UNOWNED,
            words=f"Nobody is on it, and the pool is open: {listed([one.slug for one in takers])} may take it.",
            who=agents(takers),
            details={"open_pool": True},
            step=step(takers, "task-claim"),
        )
    if crew.leaders:
        yield _unassigned(crew)
    elif not takers:
        yield unowned(crew)


def assigned(crew: Crew) -> Iterator[Obstacle]:
    if leases.is_held(crew.card, now=crew.scene.now):
        yield held(crew, WaitsFor.HELD)
    yield from _dependencies(crew)
    yield from _files(crew)
    starters = crew.those(crew.assigned, hints.may_claim)
    people = crew.people_assigned(Action.TASK_MOVE) if hints.is_startable(crew.scene) else ()
    if starters or people:
        names = listed([*(one.slug for one in starters), *(one.name for one in people)])
        yield Obstacle(
            waits_for=WaitsFor.ASSIGNEE_TO_START,
            words=f"It is ready; {names} {have(len(starters) + len(people))} to start it.",
            who=(*agents(starters), *persons(people)),
            details={"told": crew.told(starters), "since": crew.facts.since},
            step=step(starters, "task-claim"),
        )
    yield from _hindered(crew)


def in_progress(crew: Crew) -> Iterator[Obstacle]:
    if leases.is_held(crew.card, now=crew.scene.now):
        yield held(crew, WaitsFor.HELD)
    else:
        yield from _dropped(crew)
        yield from _to_take_up(crew)
    yield from _without_worktree(crew)
    yield from finishing.unfinished(crew)


def _dropped(crew: Crew) -> Iterator[Obstacle]:
    """A lease that ran out and that the board has not ended yet."""
    card = crew.card
    if card.lease_agent_id is not None:
        holder = crew.scene.agent(card.lease_agent_id)
        yield Obstacle(
            waits_for=WaitsFor.LEASE_RAN_OUT,
            words=f"The lease of {holder.slug if holder else 'its holder'} ran out, and the board takes the task back.",
            who=(THE_BOARD,),
            until=card.lease_until,
            details={"holder": holder.slug if holder else None},
        )


def _to_take_up(crew: Crew) -> Iterator[Obstacle]:
    """Work that was begun and that no agent holds."""
    yield from _files(crew)
    takers = crew.those(crew.assigned, hints.may_claim)
    if takers:
        yield Obstacle(
            waits_for=WaitsFor.REWORK_TO_CLAIM,
            words=f"It is begun and nobody holds it; {listed([one.slug for one in takers])} {have(len(takers))} to claim it.",
            who=agents(takers),
            details={"told": crew.told(takers), "since": crew.facts.since},
            step=step(takers, "task-claim"),
        )
    people = crew.people_assigned(Action.TASK_MOVE)
    if people:
        yield Obstacle(
            waits_for=WaitsFor.PERSON_AT_WORK,
            words=f"{listed([one.name for one in people])} {have(len(people))} to finish it.",
            who=persons(people),
            details={"since": crew.facts.since},
        )
    yield from _hindered(crew)


def blocked(crew: Crew) -> Iterator[Obstacle]:
    card = crew.card
    openers = crew.those(crew.workers, lambda case: hints.may_move(case, TaskStatus.IN_PROGRESS))
    who = (*agents(openers), *persons(crew.people(Action.TASK_MOVE))) if crew.scene.assignees else crew.assigners()
    if crew.scene.assignees:
        way = step(openers, "task-status", status=TaskStatus.IN_PROGRESS.value)
    else:
        way = step(crew.leaders, "task-assign", "assignee_slugs")
    yield Obstacle(
        waits_for=WaitsFor.BLOCKED,
        words=f"It is blocked until {any_of(who)} unblocks it.",
        who=who,
        details={"blocked_reason": card.blocked_reason, "since": crew.facts.since},
        step=way,
    )
    yield from _dependencies(crew)
    yield from _files(crew)
    yield from _hindered(crew)


def _dependencies(crew: Crew) -> Iterator[Obstacle]:
    waiting = [one for one in crew.scene.dependencies if not one.is_done]
    gone = [one for one in waiting if one.status is TaskStatus.ARCHIVED]
    if gone:
        editors = crew.those(crew.workers, lambda case: hints.may_write(case, Action.TASK_UPDATE))
        yield Obstacle(
            waits_for=WaitsFor.DEPENDENCY_ARCHIVED,
            words=f"It depends on {tasks(len(gone))} archived before being done, so somebody has to drop or restore that.",
            who=(*agents(editors), *persons(crew.people(Action.TASK_RESTORE))),
            details={"dependencies": linked(gone)},
            step=step(editors, "task-update", "depends_on"),
        )
    still = [one for one in waiting if one.status is not TaskStatus.ARCHIVED]
    if still:
        yield Obstacle(
            waits_for=WaitsFor.DEPENDENCY_OPEN,
            words=f"It waits for {tasks(len(still))} that must be done before.",
            details={"dependencies": linked(still)},
            step=Step(verb="task-why", arguments={"task_id": still[0].id}),
        )


def _files(crew: Crew) -> Iterator[Obstacle]:
    """Other tasks whose holders have the files that it wants."""
    conflicts = crew.scene.conflicts
    if conflicts:
        holders = listed(sorted({one.rival.holder for one in conflicts}))
        until = max(one.rival.until for one in conflicts)
        number = len({one.rival.task_id for one in conflicts})
        yield Obstacle(
            waits_for=WaitsFor.FILES_RESERVED,
            words=f"It waits for files that {holders} reserved for {tasks(number)} until {moment(until)}, or until that is over.",
            until=until,
            details={"conflicts": reserved(conflicts)},
            step=Step(verb="task-why", arguments={"task_id": conflicts[0].rival.task_id}),
        )


def _without_worktree(crew: Crew) -> Iterator[Obstacle]:
    """Work whose branch has no directory, until somebody takes the reason away."""
    site = crew.scene.site
    if site is not None and site.is_live and site.worktree is WorktreeState.FAILED:
        who = persons(crew.people(Action.TASK_COMMIT))
        yield Obstacle(
            waits_for=WaitsFor.WORKTREE_FAILED,
            words=f"Its worktree could not be made; {any_of(who)} can have that tried again, once the reason is gone.",
            who=who,
            details={"repository": site.name, "problem": site.problem},
        )


def _hindered(crew: Crew) -> Iterator[Obstacle]:
    """Assignees that cannot take it up, and a task that has none."""
    refusals = {one.slug: crew.refusal(one, Action.TASK_CLAIM) for one in crew.assigned}
    full = [one for one in crew.assigned if refusals[one.slug] is None and len(crew.in_hand(one)) >= one.capacity]
    if full:
        yield _at_capacity(crew, full)
    cannot = [{"slug": slug, "reason": why.reason, "flag": why.flag} for slug, why in refusals.items() if why is not None]
    able = {one.id for one in crew.people_assigned(Action.TASK_MOVE)}
    cannot += [
        {"email": one.email, "reason": "role_denied", "flag": None} for one in crew.scene.assigned_people if one.id not in able
    ]
    if cannot:
        names, others = listed([str(one.get("slug") or one.get("email")) for one in cannot]), any_of(crew.assigners())
        yield Obstacle(
            waits_for=WaitsFor.ASSIGNEE_CANNOT,
            words=f"{names} {be(len(cannot))} assigned and may not work on it; {others} can assign somebody else.",
            who=crew.assigners(),
            details={"assignees": cannot},
            step=step(crew.leaders, "task-assign", "assignee_slugs"),
        )
    if not crew.scene.assignees:
        yield unowned(crew)


def _at_capacity(crew: Crew, full: Sequence[AgentFacts]) -> Obstacle:
    holds = {one.slug: crew.in_hand(one) for one in full}
    return Obstacle(
        waits_for=WaitsFor.ASSIGNEE_AT_CAPACITY,
        words=f"{listed(list(holds))} {hold(len(full))} as many tasks as allowed, and must finish or release one first.",
        who=agents(full),
        until=min((each.until for those in holds.values() for each in those), default=None),
        details={"agents": [{"slug": one.slug, "capacity": one.capacity, "holds": _shown(crew, one)} for one in full]},
        step=step(full, "task-release", "task_id", "fence"),
    )


def _shown(crew: Crew, agent: AgentFacts) -> list[dict[str, object]]:
    return [{"id": one.task_id, "title": one.title, "until": one.until} for one in crew.in_hand(agent)]


def _unassigned(crew: Crew) -> Obstacle:
    leader = crew.leaders[0]
    return Obstacle(
        waits_for=WaitsFor.ORCHESTRATOR_TO_ASSIGN,
        words=f"Nobody is on it; {leader.slug}, the orchestrator, has to assign somebody.",
        who=agents(crew.leaders),
        details={"told": crew.told(crew.leaders), "since": crew.facts.since},
        step=step(crew.leaders, "task-assign", "assignee_slugs"),
    )
