"""The one entry: may this actor do this, given these facts?"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

import msgspec

from app.kernel.types import Role
from app.policies.capabilities import is_orchestrator
from app.policies.closing import closers, may_close
from app.policies.types import (
    AccountPolicy,
    Action,
    Actor,
    AgentActor,
    AgentFacts,
    Allowed,
    Decision,
    Denied,
    DocumentFacts,
    Flag,
    PersonActor,
    Reason,
    SystemActor,
    TaskFacts,
)
from app.policies.writing import may_write

_RANKS = (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)

PERSONS: Mapping[Action, Role] = MappingProxyType(
    {
        Action.TASK_READ: Role.VIEWER,
        Action.DOCUMENTS_READ: Role.VIEWER,
        Action.EVENTS_READ: Role.VIEWER,
        Action.AGENTS_READ: Role.VIEWER,
        Action.ACCOUNT_READ: Role.VIEWER,
        Action.POLICIES_EXPLAIN: Role.VIEWER,
        Action.TASK_CREATE: Role.MEMBER,
        Action.TASK_UPDATE: Role.MEMBER,
        Action.TASK_ASSIGN: Role.MEMBER,
        Action.TASK_MOVE: Role.MEMBER,
        Action.TASK_CLOSE: Role.MEMBER,
        Action.TASK_REOPEN: Role.MEMBER,
        Action.TASK_RESTORE: Role.MEMBER,
        Action.TASK_LIFT: Role.MEMBER,
        Action.TASK_ARCHIVE: Role.MEMBER,
        Action.TASK_STOP: Role.MEMBER,
        Action.TASK_MESSAGE: Role.MEMBER,
        Action.TASK_SURVEY: Role.VIEWER,
        Action.TASK_CLAIM: Role.MEMBER,
        Action.TASK_EVIDENCE: Role.MEMBER,
        Action.TASK_LINK: Role.MEMBER,
        Action.TASK_COMMIT: Role.MEMBER,
        Action.TASK_RESERVE: Role.MEMBER,
        Action.DOCUMENTS_WRITE: Role.MEMBER,
        Action.DOCUMENTS_DELETE: Role.MEMBER,
        Action.AGENTS_MENTION: Role.MEMBER,
        Action.SKILLS_READ: Role.VIEWER,
        Action.REPOSITORIES_READ: Role.VIEWER,
        Action.AGENTS_MANAGE: Role.ADMIN,
        Action.SKILLS_MANAGE: Role.ADMIN,
        Action.REPOSITORIES_MANAGE: Role.ADMIN,
        Action.ACCOUNT_MANAGE: Role.ADMIN,
        Action.TOKENS_MANAGE: Role.ADMIN,
        Action.POLICIES_MANAGE: Role.ADMIN,
        Action.RUNTIME_READ: Role.ADMIN,
        Action.RUNTIME_MANAGE: Role.ADMIN,
        Action.APPROVALS_READ: Role.MEMBER,
        Action.APPROVALS_DECIDE: Role.MEMBER,
        Action.MEMORY_READ: Role.VIEWER,
        Action.MEMORY_WRITE: Role.MEMBER,
    }
)

CAPABILITIES: Mapping[Action, Flag] = MappingProxyType(
    {
        Action.TASK_CREATE: Flag.CAN_CREATE_TASKS,
        Action.TASK_UPDATE: Flag.CAN_MODIFY_TASK_STATUS,
        Action.TASK_MOVE: Flag.CAN_MODIFY_TASK_STATUS,
        Action.TASK_CLOSE: Flag.CAN_MODIFY_TASK_STATUS,
        Action.TASK_ARCHIVE: Flag.CAN_MODIFY_TASK_STATUS,
        Action.TASK_STOP: Flag.CAN_MODIFY_TASK_STATUS,
        Action.TASK_CLAIM: Flag.CAN_MODIFY_TASK_STATUS,
        Action.TASK_EVIDENCE: Flag.CAN_MODIFY_TASK_STATUS,
        Action.DOCUMENTS_WRITE: Flag.CAN_CREATE_DOCUMENTS,
        Action.AGENTS_MENTION: Flag.CAN_MENTION_AGENTS,
    }
)

AGENT_GOALS = frozenset({"in_progress", "review", "done", "blocked"})


class _Case(msgspec.Struct, frozen=True):
    """What is asked about an agent; without a task there is no crew, so nobody closes and nothing is in review."""

    actor: AgentActor
    agent: AgentFacts
    account: AccountPolicy
    task: TaskFacts
    goal: str | None
    assignees: Collection[UUID]
    document: DocumentFacts


def decide(  # noqa: PLR0913
    action: Action,
    *,
    actor: Actor,
    account: AccountPolicy,
    task: TaskFacts | None = None,
    goal: str | None = None,
    assignees: Collection[UUID] = (),
    document: DocumentFacts | None = None,
) -> Decision:
    """`goal` is the status of a move; `assignees` are the agents that a new task names; no document is a new one."""
    wanted = "done" if action is Action.TASK_CLOSE else goal
    match actor:
        case PersonActor(_, role):
            return _person(action, role)
        case SystemActor():
            return _system(action, wanted)
        case AgentActor(facts, _):
            known = task or TaskFacts(status="")
            # The crew was read under the task's lock; what authentication knew may be older.
            agent = next((member for member in known.crew if member.id == facts.id), facts)
            text = document or DocumentFacts(is_new=True)
            return _agent(action, _Case(actor, agent, account, known, wanted, assignees, text))
        case _:
            assert_never(actor)


def _person(action: Action, role: Role) -> Decision:
    needed = PERSONS[action]
    if _RANKS.index(role) < _RANKS.index(needed):
        return Denied(Reason.ROLE_DENIED, f"{action} needs the role {needed} or above")
    return Allowed(f"person.{role}")


def _system(action: Action, goal: str | None) -> Decision:
    """The board keeps its own cards in order; it judges no work and changes no authority."""
    if PERSONS[action] is Role.ADMIN or goal == "done":
        return Denied(Reason.ROLE_DENIED, f"the board itself does not do {action}")
    return Allowed("system")


def _agent(action: Action, case: _Case) -> Decision:
    if not (case.agent.is_active and case.actor.facts.is_active):
        return Denied(Reason.AGENT_RETIRED, "a retired agent does nothing")
    flag = CAPABILITIES.get(action)
    if flag is not None and not case.actor.policy.allows(flag):
        return Denied(Reason.CAPABILITY_DENIED, f"{flag} is off for this agent", flag)
    return _AGENTS[action](case)


def _create(case: _Case) -> Decision:
    if set(case.assignees) <= {case.agent.id}:
        return Allowed("agent.create")
    return _orchestrate(case)


def _orchestrate(case: _Case) -> Decision:
    leader = case.account.orchestrator_agent_id
    if case.actor.policy.is_orchestrator and case.agent.id == leader:
        return Allowed("orchestrator")
    usable = any(is_orchestrator(member, case.account) for member in case.task.crew)
    # Without a crew (a task to be made) the setting alone has to be believed.
    if leader is None or (case.task.crew and not usable):
        return Denied(Reason.ORCHESTRATOR_UNSET, "only the orchestrator does this, and none is set")
    return Denied(Reason.ORCHESTRATOR_REQUIRED, "only the orchestrator does this")


def _move(case: _Case) -> Decision:
    if case.goal not in AGENT_GOALS:
        return Denied(Reason.STATUS_NOT_FOR_AGENTS, f"agents move tasks to {', '.join(sorted(AGENT_GOALS))} only")
    if case.goal == "done":
        return may_close(case.agent, case.task.crew, case.account)
    return _work(case)


def _work(case: _Case) -> Decision:
    if case.agent.is_assigned:
        return Allowed("assignee")
    if case.actor.policy.is_orchestrator:
        return Allowed("orchestrator")
    if case.task.status == "review" and case.agent.id in closers(case.task.crew, case.account).ids:
        return Allowed("reviewer")
    return Denied(Reason.NOT_ASSIGNED, "this agent is not assigned to the task")


def _claim(case: _Case) -> Decision:
    """A task in review is claimed by who may close it, any other by who is on it, or out of the open pool."""
    if case.task.status == "review":
        decision = may_close(case.agent, case.task.crew, case.account)
        return Allowed("reviewer") if isinstance(decision, Allowed) else decision
    if case.agent.is_assigned:
        return Allowed("assignee")
    if case.task.status == "inbox" and case.account.open_pool:
        return Allowed("open_pool")
    return Denied(Reason.NOT_ASSIGNED, "this agent is not assigned to the task")


def _speak(case: _Case) -> Decision:
    if case.agent.is_assigned:
        return Allowed("assignee")
    if case.actor.policy.is_orchestrator:
        return Allowed("orchestrator")
    if case.agent.is_subscribed:
        return Allowed("subscriber")
    if case.task.status == "review" and case.actor.policy.allows(Flag.IS_REVIEWER):
        return Allowed("reviewer")
    return Denied(Reason.NOT_ASSIGNED, "this agent neither works on the task nor follows it")


def _write(case: _Case) -> Decision:
    return may_write(case.document, case.actor.policy)


def _open(_: _Case) -> Decision:
    return Allowed("agent")


def _persons_only(_: _Case) -> Decision:
    return Denied(Reason.PERSONS_ONLY, "this is for people")


_AGENTS: Mapping[Action, Callable[[_Case], Decision]] = MappingProxyType(
    {
        Action.TASK_READ: _open,
        Action.DOCUMENTS_READ: _open,
        Action.EVENTS_READ: _open,
        Action.AGENTS_READ: _open,
        Action.POLICIES_EXPLAIN: _open,
        Action.DOCUMENTS_WRITE: _write,
        Action.DOCUMENTS_DELETE: _persons_only,
        Action.AGENTS_MENTION: _open,
        Action.TASK_CREATE: _create,
        Action.TASK_ASSIGN: _orchestrate,
        Action.TASK_ARCHIVE: _orchestrate,
        Action.TASK_STOP: _orchestrate,
        Action.TASK_UPDATE: _work,
        Action.TASK_MOVE: _move,
        Action.TASK_CLOSE: _move,
        Action.TASK_MESSAGE: _speak,
        Action.TASK_SURVEY: _orchestrate,
        Action.TASK_CLAIM: _claim,
        Action.TASK_EVIDENCE: _work,
        Action.TASK_LINK: _work,
        Action.TASK_COMMIT: _work,
        Action.TASK_RESERVE: _work,
        Action.TASK_REOPEN: _persons_only,
        Action.TASK_RESTORE: _persons_only,
        Action.TASK_LIFT: _persons_only,
        Action.SKILLS_READ: _open,
        Action.SKILLS_MANAGE: _persons_only,
        Action.REPOSITORIES_READ: _open,
        Action.REPOSITORIES_MANAGE: _persons_only,
        Action.ACCOUNT_READ: _persons_only,
        Action.ACCOUNT_MANAGE: _persons_only,
        Action.AGENTS_MANAGE: _persons_only,
        Action.TOKENS_MANAGE: _persons_only,
        Action.POLICIES_MANAGE: _persons_only,
        Action.RUNTIME_READ: _persons_only,
        Action.RUNTIME_MANAGE: _persons_only,
        Action.APPROVALS_READ: _persons_only,
        Action.APPROVALS_DECIDE: _persons_only,
        Action.MEMORY_READ: _open,
        Action.MEMORY_WRITE: _open,
    }
)


def offers(action: Action, *, actor: Actor, account: AccountPolicy) -> bool:
    """Whether there are facts under which this actor would be allowed it; what is never allowed need not be shown."""
    if not isinstance(actor, AgentActor):
        return isinstance(decide(action, actor=actor, account=account), Allowed)
    flag, rule = CAPABILITIES.get(action), _AGENTS[action]
    if rule is _persons_only or not actor.facts.is_active or (flag is not None and not actor.policy.allows(flag)):
        return False
    return rule is not _orchestrate or actor.policy.is_orchestrator
