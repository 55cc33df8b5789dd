"""What the agents of an account know how to do, as agents read it."""

from typing import Any
from uuid import UUID

import msgspec

from app.agents.queries import skills as queries
from app.agents.skill_schemas import AgentSkillsView, SkillsPage, SkillView
from app.kernel.errors import Missing
from app.kernel.transaction import Transaction
from app.kernel.wire import clamped

_skills = msgspec.json.Decoder(list[SkillView])


async def page(tx: Transaction, *, limit: int | None, after: str | None) -> SkillsPage:
    """A page of the active agents by slug, each with its usable skills."""
    size = clamped(limit)
    rows = await tx.rows(queries.TAUGHT_TO_ALL, tx.account_id, after or "", size + 1)
    agents = [_view(row) for row in rows[:size]]
    return SkillsPage(agents=agents, next_cursor=agents[-1].agent_slug if len(rows) > size else None, limit=size)


async def of_agent(tx: Transaction, slug: str) -> SkillsPage:
    """The usable skills of one active agent, with their texts."""
    row = await tx.row(queries.TAUGHT_TO_CALLED, tx.account_id, slug)
    if row is None:
        raise Missing.thing("agent", slug)
    return SkillsPage(agents=[_view(row)], next_cursor=None, limit=1)


async def taught(tx: Transaction, agent_id: UUID) -> list[SkillView]:
    """The usable skills of an agent by slug, with their texts; none of one that is retired."""
    row = await tx.row(queries.TAUGHT_TO_ONE, tx.account_id, agent_id)
    return _skills.decode(row["skills"]) if row else []


def _view(row: Any) -> AgentSkillsView:
    skills = _skills.decode(row["skills"])
    return AgentSkillsView(agent_slug=row["agent_slug"], skills=skills, skill_count=len(skills), updated_at=row["updated_at"])
