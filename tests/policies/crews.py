"""Agents and accounts, made by hand and by chance."""

from uuid import UUID

from hypothesis import strategies as st

from app.policies.capabilities import effective
from app.policies.types import AccountPolicy, AgentActor, AgentFacts, Allowed, Decision, Flag, Flags, Reason, SelfReview

ORCHESTRATOR = UUID(int=1)
TRI = st.sampled_from((None, True, False))


def agent(number: int = 9, *, role: str = "Engineer", flags: Flags | None = None, **facts) -> AgentFacts:
    flags = flags or Flags()
    return AgentFacts(id=UUID(int=number), slug=f"agent-{number}", name=f"Agent {number}", role=role, flags=flags, **facts)


def reviewer(number: int = 5, **facts) -> AgentFacts:
    return agent(number, flags=Flags(is_reviewer=True), **facts)


def acting(facts: AgentFacts, account: AccountPolicy) -> AgentActor:
    return AgentActor(facts, effective(facts, account))


def verdict(decision: Decision) -> str | Reason:
    """The rule that allowed, or the reason that did not."""
    return decision.rule if isinstance(decision, Allowed) else decision.reason


flags = st.builds(Flags, **{flag.value: TRI for flag in Flag})
roles = st.sampled_from(("Engineer", "QA lead", "Data Quality Engineer", "Equality officer", ""))


@st.composite
def agents(draw, number: int) -> AgentFacts:
    truth = st.booleans()
    return agent(
        number,
        role=draw(roles),
        flags=draw(flags),
        is_active=draw(truth),
        is_assigned=draw(truth),
        has_acted=draw(truth),
        is_subscribed=draw(truth),
    )


crews = st.integers(1, 4).flatmap(lambda size: st.tuples(*(agents(number) for number in range(1, size + 1))))
accounts = st.builds(
    AccountPolicy,
    defaults=flags,
    orchestrator_agent_id=st.sampled_from((None, ORCHESTRATOR, UUID(int=2), UUID(int=99))),
    self_review=st.sampled_from(SelfReview),
    legacy_reviewer_fallback=st.booleans(),
)
