"""Which tools go with a prompt: over all verbs, all kinds of notifications and agents of every sort."""

from itertools import product
from uuid import UUID

import pytest

from app.delivery import offering
from app.main import VERBS
from app.notifications.types import NotificationType
from app.policies import rules
from app.policies.capabilities import effective
from app.policies.types import AccountPolicy, AgentActor, AgentFacts, Flags
from app.policies.verbs import Toolset

LEADER = UUID(int=1)
STARTING = {
    "task-status",
    "task-claim",
    "task-create",
    "task-update",
    "task-message",
    "document",
    "task-evidence",
    "memory-write",
}


def actors():
    """Agents with every flag on or off, as the orchestrator and not."""
    for number, flags in product((1, 2), product((False, True), repeat=4)):
        names = ("can_create_tasks", "can_modify_task_status", "can_create_documents", "can_mention_agents")
        facts = AgentFacts(id=UUID(int=number), slug="a", name="A", role="", flags=Flags(**dict(zip(names, flags, strict=True))))
        account = AccountPolicy(orchestrator_agent_id=LEADER)
        yield AgentActor(facts, effective(facts, account)), account


@pytest.mark.parametrize("kind", NotificationType)
def test_what_is_offered_may_ever_be_allowed_and_fits_the_turn(kind):
    for actor, account in actors():
        names = {verb.name for verb in offering.offered(VERBS, kind, actor=actor, account=account)}
        allowed = {verb.name for verb in VERBS if rules.offers(verb.action, actor=actor, account=account)}
        assert names <= allowed
        assert ("response-request" in names) == ("response-request" in allowed)
        if kind is NotificationType.ASSIGNMENT:
            assert not names & STARTING
            assert names - {"response-request"} == {verb.name for verb in VERBS if verb.reads} & allowed
        elif kind is NotificationType.WAKEUP:
            assert names - {"response-request"} == {verb.name for verb in VERBS if verb.toolset is Toolset.CORE} & allowed
        else:
            assert names == allowed


def test_a_tool_is_flat_and_named_without_hyphens():
    for verb in VERBS:
        tool = offering.tool(verb)
        assert (tool.name, tool.description) == (verb.tool, verb.summary)
        assert "-" not in tool.name
        assert tool.parameters["type"] == "object"
