"""What the agents of an account know how to do."""

from typing import Any

import msgspec

from app.agents import queries
from app.agents.schemas import AgentSkillsView, SkillsPage, SkillView
from app.kernel.errors import Missing
from app.kernel.transaction import Transaction
from app.kernel.wire import clamped

_skills = msgspec.json.Decoder(list[SkillView])


async def page(tx: Transaction, *, limit: int | None, after: str | None) -> SkillsPage:
    """A page of the active agents by slug, each with its enabled skills."""
    size = clamped(limit)
    rows = await tx.rows(queries.SKILLS_OF_ALL, tx.account_id, after or "", size + 1)
    agents = [_view(row) for row in rows[:size]]
    return SkillsPage(agents=agents, next_cursor=agents[-1].agent_slug if len(rows) > size else None, limit=size)


async def of_agent(tx: Transaction, slug: str) -> SkillsPage:
    """The enabled skills of one active agent, with their texts."""
    row = await tx.row(queries.SKILLS_OF_ONE, tx.account_id, slug)
    if row is None:
        raise Missing.thing("agent", slug)
    return SkillsPage(agents=[_view(row)], next_cursor=None, limit=1)


def _view(row: Any) -> AgentSkillsView:
    skills = _skills.decode(row["skills"])
    return AgentSkillsView(agent_slug=row["agent_slug"], skills=skills, skill_count=len(skills), updated_at=row["updated_at"])
