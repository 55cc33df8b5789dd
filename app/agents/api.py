"""Agents for people: REST."""

from litestar import Response, get, patch, post
from litestar.params import FromPath

from app.agents import identity_api, profiles_api, service, skills_api
from app.agents.schemas import AgentEdit, AgentPage, AgentView, EffectiveView, NewAgent, SessionPage
from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described

AGENTS = "/api/v1/agents"
AGENT = "/api/v1/agents/{agent_id:str}"


@get(AGENTS, operation_class=described(view=AgentPage))
async def agents(request: Call) -> Response[bytes]:
    """The account's agents by slug."""
    limit, after = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, "agents.read", lambda tx, _: service.page(tx, limit=limit, after=after))


@get(AGENT, operation_class=described(view=AgentView))
async def agent(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(agent_id, kind="agent")
    return await read(request, "agents.read", lambda tx, _: service.one(tx, wanted))


@get(f"{AGENT}/effective-policy", operation_class=described(view=EffectiveView))
async def effective_policy(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """What the agent may do, each flag with the level that decided it."""
    wanted = identity(agent_id, kind="agent")
    return await read(request, "agents.read", lambda tx, _: service.effective_policy(tx, wanted))


@get(f"{AGENT}/sessions", operation_class=described(view=SessionPage))
async def sessions(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """A page of the agent's sessions, newest first; only the end of each key is shown."""
    wanted, limit, before = identity(agent_id, kind="agent"), paging.limit(request), paging.cursor(request)
    return await read(request, "agents.read", lambda tx, _: service.session_page(tx, wanted, limit=limit, before=before))


@post(AGENTS, status_code=CREATED, operation_class=described(body=NewAgent, view=AgentView, status=CREATED))
async def create(request: Call) -> Response[bytes]:
    return await mutate(request, "agents.manage", NewAgent, service.create, status=CREATED)


@patch(AGENT, operation_class=described(body=AgentEdit, view=AgentView))
async def edit(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(agent_id, kind="agent")
    return await mutate(request, "agents.manage", AgentEdit, lambda tx, who, body: service.edit(tx, who, wanted, body))


ROUTES = (agents, agent, effective_policy, sessions, create, edit, *profiles_api.ROUTES, *identity_api.ROUTES, *skills_api.ROUTES)
