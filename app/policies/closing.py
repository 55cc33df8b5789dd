"""Who closes a task: the reviewers, else the orchestrator, else no agent (rulings 10-12)."""

from collections.abc import Sequence
from typing import assert_never

from app.kernel.types import Role
from app.policies.capabilities import effective, is_orchestrator, is_reviewer
from app.policies.types import (
    AccountPolicy,
    AgentFacts,
    Allowed,
    Closers,
    ClosingParty,
    Decision,
    Denied,
    EffectivePolicy,
    Flag,
    Reason,
    SelfReview,
    Source,
)


def closers(crew: Sequence[AgentFacts], account: AccountPolicy) -> Closers:
    present = [agent for agent in crew if agent.is_active]
    barred = tuple(agent.id for agent in present if _is_barred(agent, account))
    reviewers = tuple(agent.id for agent in present if agent.id not in barred and _reviews(agent, account))
    if reviewers:
        return Closers(party=ClosingParty.REVIEWERS, ids=reviewers, barred=barred)
    leader = next((agent.id for agent in present if is_orchestrator(agent, account)), None)
    if leader is None:
        return Closers(party=ClosingParty.NOBODY, barred=barred, obstacle=Reason.ORCHESTRATOR_UNSET)
    if leader in barred:
        return Closers(party=ClosingParty.NOBODY, barred=barred, obstacle=Reason.SELF_REVIEW)
    return Closers(party=ClosingParty.ORCHESTRATOR, ids=(leader,), barred=barred)


def may_close(actor: AgentFacts | Role, crew: Sequence[AgentFacts], account: AccountPolicy) -> Decision:
    """Authority alone: that the task is in review is for the table of moves to say."""
    if isinstance(actor, Role):
        if actor is Role.VIEWER:
            return Denied(Reason.ROLE_DENIED, "a viewer reads only")
        return Allowed("close.person")
    if not actor.is_active:
        return Denied(Reason.AGENT_RETIRED, "a retired agent does nothing")
    forbidden = _forbidding_flag(effective(actor, account))
    if forbidden is not None:
        return Denied(Reason.CAPABILITY_DENIED, f"{forbidden} is off for this agent", forbidden)
    return _by_party(actor, closers(crew, account))


def _by_party(actor: AgentFacts, those: Closers) -> Decision:
    if actor.id in those.ids:
        return Allowed(f"close.{those.party}")
    if actor.id in those.barred:
        return Denied(Reason.SELF_REVIEW, "this agent worked on the task and does not close it")
    match those.party:
        case ClosingParty.REVIEWERS:
            return Denied(Reason.REVIEWER_REQUIRED, "a reviewer closes this task")
        case ClosingParty.ORCHESTRATOR:
            return Denied(Reason.ORCHESTRATOR_REQUIRED, "no reviewer may close this task, so the orchestrator does")
        case ClosingParty.NOBODY:
            return _closed_by_persons(those)
        case _:
            assert_never(those.party)


def _closed_by_persons(those: Closers) -> Denied:
    if those.obstacle is Reason.SELF_REVIEW:
        return Denied(Reason.SELF_REVIEW, "every agent who could close this task worked on it; a person closes it")
    return Denied(Reason.ORCHESTRATOR_UNSET, "no reviewer may close this task and no orchestrator is set; a person closes it")


def _forbidding_flag(policy: EffectivePolicy) -> Flag | None:
    if not policy.allows(Flag.CAN_MODIFY_TASK_STATUS):
        return Flag.CAN_MODIFY_TASK_STATUS
    mark_done = policy.flags[Flag.CAN_MARK_DONE]
    # Unset is only implied by being a closer, so it must not hide who is required instead.
    if not mark_done.value and mark_done.source is not Source.DEFAULT:
        return Flag.CAN_MARK_DONE
    return None


def _reviews(agent: AgentFacts, account: AccountPolicy) -> bool:
    return is_reviewer(agent, account)


def _is_barred(agent: AgentFacts, account: AccountPolicy) -> bool:
    """An orchestrator that is also a reviewer is barred as a reviewer; the other office gives it no way around."""
    if not agent.has_acted:
        return False
    match account.self_review:
        case SelfReview.FORBID:
            return _reviews(agent, account)
        case SelfReview.FORBID_ALL:
            return _reviews(agent, account) or is_orchestrator(agent, account)
        case SelfReview.ALLOW:
            return False
        case _:
            assert_never(account.self_review)
