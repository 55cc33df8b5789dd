"""Preflight of executor profiles: REST."""

from litestar import Response, post
from litestar.params import FromPath

from app.agents import profiles
from app.delivery.preflight import preflight
from app.delivery.schemas import PreflightView
from app.kernel.edge import Call, answered, board, caller, identity, origin
from app.kernel.openapi import described

ACTION = "agents.manage"


@post("/api/v1/executor-profiles/{profile_id:str}/preflight", status_code=200, operation_class=described(view=PreflightView))
async def preflight_executor_profile(request: Call, profile_id: FromPath[str]) -> Response[bytes]:
    """Whether the profile could run an agent now; nothing is run and nothing is changed."""
    principal = await caller(request, ACTION)
    wanted = identity(profile_id, kind="executor profile")
    async with board(request).database.transaction(principal.account_id, origin=origin(request)) as tx:
        profile = await profiles.one(tx, wanted)
    # Nothing is open while the outside is asked.
    return answered(await preflight(profile, request.app.state.settings))


ROUTES = (preflight_executor_profile,)
