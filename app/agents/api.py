"""Agents for people: REST."""

from litestar import Response, get, patch, post
from litestar.params import FromPath

from app.agents import service
from app.agents.schemas import AgentEdit, NewAgent
from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read

AGENTS = "/api/v1/agents"
AGENT = "/api/v1/agents/{agent_id:str}"


@get(AGENTS)
async def agents(request: Call) -> Response[bytes]:
    """The account's agents by slug."""
    limit, after = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, "agents.read", lambda tx, _: service.page(tx, limit=limit, after=after))


@get(AGENT)
async def agent(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(agent_id, kind="agent")
    return await read(request, "agents.read", lambda tx, _: service.one(tx, wanted))


@get(f"{AGENT}/effective-policy")
async def effective_policy(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """What the agent may do, each flag with the level that decided it."""
    wanted = identity(agent_id, kind="agent")
    return await read(request, "agents.read", lambda tx, _: service.effective_policy(tx, wanted))


@post(AGENTS, status_code=CREATED)
async def create(request: Call) -> Response[bytes]:
    return await mutate(request, "agents.manage", NewAgent, service.create, status=CREATED)


@patch(AGENT)
async def edit(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(agent_id, kind="agent")
    return await mutate(request, "agents.manage", AgentEdit, lambda tx, who, body: service.edit(tx, who, wanted, body))


ROUTES = (agents, agent, effective_policy, create, edit)
