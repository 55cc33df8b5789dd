"""Executor profiles for admins: REST."""

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.agents import profiles
from app.agents.profile_schemas import NewProfile, ProfileEdit, ProfilePage, ProfileView
from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body

PROFILES = "/api/v1/executor-profiles"
PROFILE = "/api/v1/executor-profiles/{profile_id:str}"
KIND = "executor profile"
ACTION = "agents.manage"
GONE = 204


@get(PROFILES, operation_class=described(view=ProfilePage))
async def executor_profiles(request: Call) -> Response[bytes]:
    """How the account's agents are run, by name."""
    limit, after = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, ACTION, lambda tx, _: profiles.page(tx, limit=limit, after=after))


@get(PROFILE, operation_class=described(view=ProfileView))
async def executor_profile(request: Call, profile_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(profile_id, kind=KIND)
    return await read(request, ACTION, lambda tx, _: profiles.one(tx, wanted))


@post(PROFILES, status_code=CREATED, operation_class=described(body=NewProfile, view=ProfileView, status=CREATED))
async def create_executor_profile(request: Call) -> Response[bytes]:
    """A new way to run agents; where it may send and what it may run is the operator's to say."""
    outside = profiles.outside(request.app.state.settings)
    return await mutate(
        request, ACTION, NewProfile, lambda tx, who, body: profiles.create(tx, who, body, outside=outside), status=CREATED
    )


@patch(PROFILE, operation_class=described(body=ProfileEdit, view=ProfileView))
async def edit_executor_profile(request: Call, profile_id: FromPath[str]) -> Response[bytes]:
    wanted, outside = identity(profile_id, kind=KIND), profiles.outside(request.app.state.settings)
    return await mutate(request, ACTION, ProfileEdit, lambda tx, who, body: profiles.edit(tx, who, wanted, body, outside=outside))


@delete(PROFILE, status_code=200, operation_class=described(status=GONE))
async def remove_executor_profile(request: Call, profile_id: FromPath[str]) -> Response[bytes]:
    """Take away a profile that runs no agent and to which none fails over."""
    wanted = identity(profile_id, kind=KIND)

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await profiles.delete(tx, who, wanted)

    return await mutate(request, ACTION, Body, act, status=GONE)


ROUTES = (executor_profiles, executor_profile, create_executor_profile, edit_executor_profile, remove_executor_profile)
