"""Agents' workspaces for people: REST."""

from litestar import Response, get, post
from litestar.params import FromPath

from app.bootstrap import workspaces
from app.bootstrap.workspace_schemas import Restoration, WorkspaceView
from app.kernel.edge import Call, identity, mutate, read
from app.kernel.openapi import described

WORKSPACE = "/api/v1/agents/{agent_id:str}/workspace"
ACCEPTED = 202


@get(WORKSPACE, operation_class=described(view=WorkspaceView))
async def workspace(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """How the agent's workspace stands: what the board wrote there, and what the agent has changed since."""
    wanted = identity(agent_id, kind="agent")
    return await read(request, "agents.read", lambda tx, _: workspaces.view(tx, wanted))


@post(
    f"{WORKSPACE}/restore", status_code=ACCEPTED, operation_class=described(body=Restoration, view=WorkspaceView, status=ACCEPTED)
)
async def restore(request: Call, agent_id: FromPath[str]) -> Response[bytes]:
    """Have the board's version of edited files taken again; the agent's stay beside them. It is done within a second."""
    wanted = identity(agent_id, kind="agent")
    return await mutate(
        request, "agents.manage", Restoration, lambda tx, who, body: workspaces.restore(tx, who, wanted, body), status=ACCEPTED
    )


ROUTES = (workspace, restore)
