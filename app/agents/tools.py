"""What agents may ask about each other."""

from app.agents import skills
from app.agents.skill_schemas import SkillsPage, SkillsQuestion
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies.types import Action
from app.policies.verbs import Toolset, Verb


async def know(tx: Transaction, _principal: Principal, body: SkillsQuestion) -> SkillsPage:
    if body.agent_slug is not None:
        return await skills.of_agent(tx, body.agent_slug.strip().removeprefix("@").lower())
    return await skills.page(tx, limit=body.limit, after=body.cursor)


VERBS = (
    Verb(
        name="get-agent-skills",
        summary="Read what the agents can do, or the full skills of one.",
        action=Action.AGENTS_READ,
        body=SkillsQuestion,
        view=SkillsPage,
        act=know,
        toolset=Toolset.TEAM,
        reads=True,
    ),
)
