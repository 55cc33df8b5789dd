"""Asking the one function that decides, on behalf of a credential."""

from collections.abc import Collection
from uuid import UUID

import structlog

from app.kernel.errors import Forbidden
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, Role
from app.observability.metrics import DENIED
from app.policies import legacy, rules
from app.policies.capabilities import effective
from app.policies.types import (
    READING,
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
from app.runtime.deprecations import USES
from app.runtime.rules.deprecations import REVIEWER_BY_ROLE_TEXT
from app.runtime.rules.settings import SWITCH_AGENTS

IN_REVIEW = "review"
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

    def decided(policy: AccountPolicy) -> Decision:
        actor = actor_of(principal, crew, policy)
        return rules.decide(action, actor=actor, account=policy, task=task, goal=goal, assignees=assignees, document=document)

    decision = decided(account)
    # Who reviews matters to agents, and only in review.
    is_about_reviewing = principal.kind is ActorKind.AGENT and task.status == IN_REVIEW and account.legacy_reviewer_fallback
    if is_about_reviewing and decided(legacy.without(account)) != decision:
        USES.count(principal.account_id, REVIEWER_BY_ROLE_TEXT)
        legacy.remarked()
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


def stopped(tx: Transaction, principal: Principal, action: Action) -> Denied | None:
    """What comes before every rule: while the kill switch over agents is engaged they change nothing, whatever the transport."""
    if principal.kind is not ActorKind.AGENT or action in READING or not tx.controls.flag(tx.account_id, SWITCH_AGENTS):
        return None
    return Denied(Reason.KILL_SWITCH, f"agents of this account change nothing for now: {SWITCH_AGENTS} is engaged")


def admit(tx: Transaction, principal: Principal, action: Action) -> None:
    """Refuse a call that is stopped."""
    if denied := stopped(tx, principal, action):
        granted(denied, action=action)


def granted(decision: Decision, *, action: Action) -> str:
    match decision:
        case Allowed(rule):
            return rule
        case Denied(reason, detail, flag):
            DENIED.labels(action.value, reason.value).inc()
            log.info("denied", action=action, reason=reason)
            details = {"flag": flag.value} if flag else {}
            raise Forbidden(detail, reason=reason, action=action, **details)
        case NeedsApproval(reason, detail):
            raise Forbidden(detail, reason=reason, action=action)
