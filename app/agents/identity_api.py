"""Identities and their layers for people: REST."""

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.agents import identity, identity_layers
from app.agents.identity_layers import Wanted
from app.agents.identity_schemas import AgentIdentityView, GivenIdentityView, LayerEdit, LayerPage, LayerText, NewLayer
from app.agents.types import Layer, LayerScope
from app.kernel import paging
from app.kernel.edge import CREATED, Call, mutate, read
from app.kernel.edge import identity as asked_id
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body

LAYERS = "/api/v1/identity-layers"
LAYER = "/api/v1/identity-layers/{layer_id:str}"
AGENT = "/api/v1/agents/{agent_id:str}"
KIND = "identity layer"
READ, MANAGE = "agents.read", "agents.manage"
GONE = 204


@get(f"{AGENT}/identity", operation_class=described(view=AgentIdentityView))
async def agent_identity(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """Who the agent is: its layers merged, where each comes from, and what was left out."""
    wanted = asked_id(agent_id, kind="agent")
    return await read(request, READ, lambda tx, _: identity.view(tx, wanted))


@get(f"{AGENT}/sessions/{{session_id:str}}/identity", operation_class=described(view=GivenIdentityView))
async def session_identity(request: Call, agent_id: FromPath[str], session_id: FromPath[str]) -> Response[bytes]:
    """The identity with which the session was last delivered to."""
    agent, session = asked_id(agent_id, kind="agent"), asked_id(session_id, kind="session")
    return await read(request, READ, lambda tx, _: identity.given(tx, agent, session))


@get(LAYERS, operation_class=described(view=LayerPage))
async def layers(request: Call) -> Response[bytes]:
    """A page of layers without their texts; filters: `scope`, `name`, `layer`, `limit`, `cursor`."""
    wanted = Wanted(
        scope=paging.asked(request, "scope", LayerScope),
        name=paging.asked(request, "name", str),
        layer=paging.asked(request, "layer", Layer),
    )
    limit, after = paging.limit(request), paging.cursor(request)
    return await read(request, READ, lambda tx, _: identity_layers.page(tx, wanted, limit=limit, after=after))


@get(LAYER, operation_class=described(view=LayerText))
async def layer(request: Call, layer_id: FromPath[str]) -> Response[bytes]:
    wanted = asked_id(layer_id, kind=KIND)
    return await read(request, READ, lambda tx, _: identity_layers.one(tx, wanted))


@post(LAYERS, status_code=CREATED, operation_class=described(body=NewLayer, view=LayerText, status=CREATED))
async def create_layer(request: Call) -> Response[bytes]:
    """A layer of one agent, of all agents that name a folder, or of all."""
    return await mutate(request, MANAGE, NewLayer, identity_layers.create, status=CREATED)


@patch(LAYER, operation_class=described(body=LayerEdit, view=LayerText))
async def edit_layer(request: Call, layer_id: FromPath[str]) -> Response[bytes]:
    wanted = asked_id(layer_id, kind=KIND)
    return await mutate(request, MANAGE, LayerEdit, lambda tx, who, body: identity_layers.edit(tx, who, wanted, body))


@delete(LAYER, status_code=200, operation_class=described(status=GONE))
async def remove_layer(request: Call, layer_id: FromPath[str]) -> Response[bytes]:
    """Take a layer away; the next place that has it stands in, and at last the default."""
    wanted = asked_id(layer_id, kind=KIND)

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await identity_layers.delete(tx, who, wanted)

    return await mutate(request, MANAGE, Body, act, status=GONE)


ROUTES = (agent_identity, session_identity, layers, layer, create_layer, edit_layer, remove_layer)
