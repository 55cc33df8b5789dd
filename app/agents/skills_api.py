"""Skills for people: REST."""

from litestar import Response, delete, get, patch, post, put
from litestar.params import FromPath

from app.agents import skill_shelf
from app.agents.skill_schemas import AgentSkillList, AgentSkills, NewSkill, SkillApproval, SkillEdit, SkillPage, SkillText
from app.kernel import paging
from app.kernel.edge import CREATED, OK, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body

SKILLS = "/api/v1/skills"
SKILL = "/api/v1/skills/{skill_id:str}"
AGENT_SKILLS = "/api/v1/agents/{agent_id:str}/skills"
KIND = "skill"
READ, MANAGE = "skills.read", "skills.manage"
GONE = 204


@get(SKILLS, operation_class=described(view=SkillPage))
async def skills(request: Call) -> Response[bytes]:
    """A page of skills by slug, without their texts."""
    limit, after = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, READ, lambda tx, _: skill_shelf.page(tx, limit=limit, after=after))


@get(SKILL, operation_class=described(view=SkillText))
async def skill(request: Call, skill_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(skill_id, kind=KIND)
    return await read(request, READ, lambda tx, _: skill_shelf.one(tx, wanted))


@post(SKILLS, status_code=CREATED, operation_class=described(body=NewSkill, view=SkillText, status=CREATED))
async def create_skill(request: Call) -> Response[bytes]:
    """A text on how to do one kind of thing, for agents to whom it is given."""
    return await mutate(request, MANAGE, NewSkill, skill_shelf.create, status=CREATED)


@patch(SKILL, operation_class=described(body=SkillEdit, view=SkillText))
async def edit_skill(request: Call, skill_id: FromPath[str]) -> Response[bytes]:
    """Change what was sent; where approval is required, another text teaches nobody until it is approved again."""
    wanted = identity(skill_id, kind=KIND)
    return await mutate(request, MANAGE, SkillEdit, lambda tx, who, body: skill_shelf.edit(tx, who, wanted, body))


@post(f"{SKILL}/approve", status_code=OK, operation_class=described(body=SkillApproval, view=SkillText))
async def approve_skill(request: Call, skill_id: FromPath[str]) -> Response[bytes]:
    """Approve the version that was read; whoever edited it last does not, unless there is no other admin."""
    wanted = identity(skill_id, kind=KIND)
    return await mutate(request, MANAGE, SkillApproval, lambda tx, who, body: skill_shelf.approve(tx, who, wanted, body))


@delete(SKILL, status_code=200, operation_class=described(status=GONE))
async def remove_skill(request: Call, skill_id: FromPath[str]) -> Response[bytes]:
    """Take a skill away, from every agent that has it too."""
    wanted = identity(skill_id, kind=KIND)

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await skill_shelf.delete(tx, who, wanted)

    return await mutate(request, MANAGE, Body, act, status=GONE)


@get(AGENT_SKILLS, operation_class=described(view=AgentSkillList))
async def agent_skills(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """What the agent was given, with what is withheld from it and why."""
    wanted = identity(agent_id, kind="agent")
    return await read(request, READ, lambda tx, _: skill_shelf.of_agent(tx, wanted))


@put(AGENT_SKILLS, operation_class=described(body=AgentSkills, view=AgentSkillList))
async def give_skills(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """Let the agent have exactly these skills."""
    wanted = identity(agent_id, kind="agent")
    return await mutate(request, MANAGE, AgentSkills, lambda tx, who, body: skill_shelf.give(tx, who, wanted, body))


ROUTES = (skills, skill, create_skill, edit_skill, approve_skill, remove_skill, agent_skills, give_skills)
