"""Asking the one function that decides, on behalf of a credential."""

from collections.abc import Collection
from uuid import UUID

import structlog

from app.kernel.errors import Forbidden
from app.kernel.types import ActorKind, Principal, Role
from app.policies import rules
from app.policies.capabilities import effective
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
    NeedsApproval,
    PersonActor,
    Reason,
    SystemActor,
    TaskFacts,
)

log = structlog.get_logger()


def actor_of(principal: Principal, crew: Collection[AgentFacts], account: AccountPolicy) -> Actor:
    """The principal as the rules see it; an agent that the facts do not show is taken for retired."""
    match principal.kind:
        case ActorKind.PERSON:
            return PersonActor(principal.id, principal.role or Role.VIEWER)
        case ActorKind.SYSTEM:
            return SystemActor()
        case ActorKind.AGENT:
            found = next((agent for agent in crew if agent.id == principal.id), None)
            facts = found or AgentFacts(id=principal.id, slug="", name=principal.name, role="", is_active=False)
            return AgentActor(facts, effective(facts, account))


def require(  # noqa: PLR0913
    action: Action,
    *,
    principal: Principal,
    account: AccountPolicy,
    crew: tuple[AgentFacts, ...],
    status: str | None = None,
    goal: str | None = None,
    assignees: Collection[UUID] = (),
    document: DocumentFacts | None = None,
) -> str:
    """The rule that allows it; otherwise Forbidden with the reason."""
    task = TaskFacts(status=status or "", crew=crew)
    actor = actor_of(principal, crew, account)
    decision = rules.decide(action, actor=actor, account=account, task=task, goal=goal, assignees=assignees, document=document)
    return granted(decision, action=action)


def permit(principal: Principal, action: str) -> None:
    """What a route needs before any fact is read: agents use the agents' routes, people the others."""
    if action == "agent":
        if principal.kind is not ActorKind.AGENT or "agent" not in principal.scopes:
            raise Forbidden("this route is for agents", reason="agents_only")
        return
    if principal.kind is not ActorKind.PERSON or "api" not in principal.scopes:
        raise Forbidden("this route is for people; agents use /agent/*", reason=Reason.PERSONS_ONLY)
    actor = PersonActor(principal.id, principal.role or Role.VIEWER)
    granted(rules.decide(Action(action), actor=actor, account=AccountPolicy()), action=Action(action))


def granted(decision: Decision, *, action: Action) -> str:
    match decision:
        case Allowed(rule):
            return rule
        case Denied(reason, detail, flag):
            log.info("denied", action=action, reason=reason)
            details = {"flag": flag.value} if flag else {}
            raise Forbidden(detail, reason=reason, action=action, **details)
        case NeedsApproval(reason, detail):
            raise Forbidden(detail, reason=reason, action=action)
