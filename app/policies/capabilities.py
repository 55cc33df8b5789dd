"""What an agent may do in general: its flags merged over the account's and the system's."""

import re

from app.policies.types import (
    SYSTEM_DEFAULTS,
    AccountPolicy,
    AgentFacts,
    EffectivePolicy,
    Flag,
    Resolved,
    Source,
)

# Whole words only: an "Equality officer" is no reviewer.
_LEGACY_REVIEWER = re.compile(r"\b(?:qa|quality assurance|quality)\b", re.IGNORECASE)


def effective(agent: AgentFacts, account: AccountPolicy) -> EffectivePolicy:
    flags = {flag: _merged(agent, flag, account=account) for flag in Flag}
    leads = is_orchestrator(agent, account)
    mark_done = flags[Flag.CAN_MARK_DONE]
    if mark_done.source is Source.DEFAULT:
        # Left unset, it follows from closing being this agent's office.
        flags[Flag.CAN_MARK_DONE] = Resolved(flags[Flag.IS_REVIEWER].value or leads, Source.DEFAULT)
    return EffectivePolicy(flags, leads)


def is_reviewer(agent: AgentFacts, account: AccountPolicy) -> bool:
    """The same as the effective policy says, without the other flags: closing asks it of a whole crew."""
    return _merged(agent, Flag.IS_REVIEWER, account=account).value


def is_orchestrator(agent: AgentFacts, account: AccountPolicy) -> bool:
    """By id alone; a retired agent leads nothing, whatever the setting says."""
    return agent.is_active and agent.id == account.orchestrator_agent_id


def _merged(agent: AgentFacts, flag: Flag, *, account: AccountPolicy) -> Resolved:
    for value, source in ((agent.flags[flag], Source.AGENT), (account.defaults[flag], Source.ACCOUNT)):
        if value is not None:
            return Resolved(value, source)
    if flag is Flag.IS_REVIEWER and account.legacy_reviewer_fallback and _looks_like_reviewer(agent):
        return Resolved(value=True, source=Source.LEGACY)
    return Resolved(SYSTEM_DEFAULTS[flag], Source.DEFAULT)


def _looks_like_reviewer(agent: AgentFacts) -> bool:
    return agent.slug.lower() == "qa" or _LEGACY_REVIEWER.search(agent.role) is not None
