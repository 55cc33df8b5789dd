"""Profiles for operators: REST."""

from litestar import Response, get, post, put
from litestar.params import FromPath

from app.kernel.edge import Call, mutate, read
from app.kernel.openapi import described
from app.runtime import tuning
from app.runtime.schemas.tuning import ProfilePage, ProfileRollback, ProfileTuning, ProfileView

PROFILES = "/api/v1/admin/runtime/profiles"


@get(PROFILES, operation_class=described(view=ProfilePage))
async def listed(request: Call) -> Response[bytes]:
    """The profiles as they are in force, as they are built in, and how they came to differ."""
    return await read(request, "runtime.read", lambda tx, _: tuning.page(tx))


@put(f"{PROFILES}/{{name:str}}", operation_class=described(body=ProfileTuning, view=ProfileView))
async def tune(request: Call, name: FromPath[str]) -> Response[bytes]:
    """Make a new version; attempts that begin a second later follow it."""
    return await mutate(request, "runtime.manage", ProfileTuning, lambda tx, who, body: tuning.tune(tx, who, name, body))


@post(f"{PROFILES}/{{name:str}}/rollback", status_code=200, operation_class=described(body=ProfileRollback, view=ProfileView))
async def roll_back(request: Call, name: FromPath[str]) -> Response[bytes]:
    """Make a new version that restores an earlier one; 0 restores what is built in."""
    return await mutate(request, "runtime.manage", ProfileRollback, lambda tx, who, body: tuning.roll_back(tx, who, name, body))


ROUTES = (listed, tune, roll_back)
