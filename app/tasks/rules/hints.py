"""What an agent may do next with a task: the questions that its writes are asked, answered beforehand."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.types import ActorKind
from app.policies.capabilities import effective
from app.policies.rules import decide
from app.policies.types import Action, AgentActor, AgentFacts, Allowed, TaskFacts
from app.tasks.rules import allowed, evidence, leases, move
from app.tasks.types import Card, Claim, Criterion, LeaseKind, Move, Scene, TaskStatus, Verdict

GOALS = (TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.DONE, TaskStatus.BLOCKED)


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """A verb that would work now, the arguments that settle it, and the fields that the caller still has to give."""

    verb: str
    arguments: dict[str, Any] = {}
    needs: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An agent before a task; `held` is all that it holds, this task included."""

    actor: AgentActor
    card: Card
    scene: Scene
    held: frozenset[UUID]

    @property
    def agent(self) -> AgentFacts:
        return self.actor.facts

    @property
    def is_holder(self) -> bool:
        return self.card.lease_agent_id == self.agent.id and leases.is_held(self.card, now=self.scene.now)

    @property
    def fence(self) -> int | None:
        return self.card.lease_fence if self.is_holder else None

    @property
    def fenced(self) -> tuple[str, ...]:
        """Its writes need the fence while it works on the task."""
        return ("fence",) if self.is_holder and self.card.lease_kind is LeaseKind.WORK else ()


def case(agent: AgentFacts, card: Card, scene: Scene, *, held: frozenset[UUID]) -> Case:
    """`held` may be of a moment ago: whether this task is among it, the card knows."""
    actor = AgentActor(agent, effective(agent, scene.account))
    seen = Case(actor=actor, card=card, scene=scene, held=held - {card.id})
    return msgspec.structs.replace(seen, held=held | {card.id}) if seen.is_holder else seen


def hints(seen: Case) -> tuple[Hint, ...]:
    """Everything that changes the task and would be accepted of this agent now."""
    return (*_holding(seen), *_moving(seen), *_writing(seen))


def _holding(seen: Case) -> Iterator[Hint]:
    if may_claim(seen):
        yield Hint(verb="task-claim")
    if seen.is_holder:
        yield Hint(verb="task-heartbeat", needs=("fence",))
        yield Hint(verb="task-release", needs=("fence",))
    if seen.fenced and rule_of(seen, Action.TASK_RESERVE):
        yield Hint(verb="task-reserve", needs=(*seen.fenced, "reserve"))


def _moving(seen: Case) -> Iterator[Hint]:
    for goal in GOALS:
        if not may_move(seen, goal):
            continue
        needs = seen.fenced
        if goal is TaskStatus.BLOCKED:
            needs = (*needs, "blocked_reason")
        if goal is TaskStatus.IN_PROGRESS and seen.card.status is TaskStatus.REVIEW:
            needs = (*needs, "reason")
        yield Hint(verb="task-status", arguments={"status": goal.value}, needs=needs)


def _writing(seen: Case) -> Iterator[Hint]:
    if may_write(seen, Action.TASK_UPDATE):
        yield Hint(verb="task-update", needs=seen.fenced)
    if may_prove(seen):
        yield Hint(verb="task-evidence", needs=(*seen.fenced, "position", "is_met"))
    if may_write(seen, Action.TASK_LINK):
        yield Hint(verb="task-link-pr", needs=(*seen.fenced, "vcs_ref"))
    if rule_of(seen, Action.TASK_MESSAGE):
        yield Hint(verb="task-message", needs=("content",))
        if rule_of(seen, Action.AGENTS_MENTION):
            yield Hint(verb="response-request", needs=("recipient_slugs", "message"))
    if may_assign(seen):
        yield Hint(verb="task-assign", needs=("assignee_slugs",))
    if may_archive(seen):
        yield Hint(verb="task-delete", needs=("reason", "children") if seen.scene.open_children else ("reason",))


def may_claim(seen: Case) -> bool:
    if leases.is_held(seen.card, now=seen.scene.now):
        return seen.is_holder
    if not rule_of(seen, Action.TASK_CLAIM):
        return False
    outcome = leases.claim(seen.card, now=seen.scene.now, caller=seen.agent.id, held=seen.held, capacity=seen.agent.capacity)
    if not isinstance(outcome, Claim) or (outcome.kind is LeaseKind.WORK and seen.scene.conflicts):
        return False
    return is_startable(seen.scene) or not outcome.starts


def may_move(seen: Case, goal: TaskStatus) -> bool:
    """Whether `task-status` would bring it there."""
    start, scene = seen.card.status, seen.scene
    rule = may_write(seen, Action.TASK_CLOSE if goal is TaskStatus.DONE else Action.TASK_MOVE, goal=goal)
    if rule is None:
        return False
    # The words of a reason are the caller's to give.
    if not isinstance(move(start=start, goal=goal, assignees=scene.assignees, blocked_reason="given"), Move):
        return False
    if goal is TaskStatus.DONE:
        return not scene.open_children and evidence.shortfall(scene.criteria, level=scene.account.evidence) is None
    if goal is not TaskStatus.IN_PROGRESS:
        return True
    # Work that comes back from review was startable once; an assignee that starts claims.
    has_room = rule != "assignee" or (len(seen.held - {seen.card.id}) < seen.agent.capacity and not seen.scene.conflicts)
    return has_room and (start is TaskStatus.REVIEW or is_startable(scene))


def may_prove(seen: Case) -> bool:
    return bool(agents_criteria(seen.card, seen.scene)) and may_write(seen, Action.TASK_EVIDENCE) is not None


def agents_criteria(card: Card, scene: Scene) -> tuple[Criterion, ...]:
    """The criteria on which agents may give a verdict."""

    def is_open(one: Criterion) -> bool:
        refusal = evidence.judgement(
            one, status=card.status, by=ActorKind.AGENT, verdict=Verdict.CLAIMED, artifact=None, artifact_hash=None
        )
        return refusal is None

    return tuple(one for one in scene.criteria if is_open(one))


def may_assign(seen: Case) -> bool:
    return seen.card.status not in evidence.CLOSED and rule_of(seen, Action.TASK_ASSIGN) is not None


def may_archive(seen: Case) -> bool:
    """It takes no fence, so who works on the task stops first."""
    goal = TaskStatus.ARCHIVED
    return not seen.fenced and goal in allowed(seen.card.status) and may_write(seen, Action.TASK_ARCHIVE, goal=goal) is not None


def is_startable(scene: Scene) -> bool:
    return all(one.is_done for one in scene.dependencies)


def may_write(seen: Case, action: Action, *, goal: TaskStatus | None = None) -> str | None:
    """The rule that lets the agent write, with the fence of its lease if it has one; None when it may not."""
    rule = rule_of(seen, action, goal=goal)
    if rule is None:
        return None
    works = leases.is_worker(rule, leads=seen.actor.policy.is_orchestrator)
    refusal = leases.refusal(seen.card, now=seen.scene.now, caller=seen.agent.id, is_worker=works, fence=seen.fence)
    return rule if refusal is None else None


def rule_of(seen: Case, action: Action, *, goal: TaskStatus | None = None) -> str | None:
    """The rule of the policies that allows it."""
    task = TaskFacts(status=seen.card.status, crew=seen.scene.crew)
    decision = decide(action, actor=seen.actor, account=seen.scene.account, task=task, goal=goal)
    return decision.rule if isinstance(decision, Allowed) else None
