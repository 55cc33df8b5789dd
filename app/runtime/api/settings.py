"""Settings for operators: REST."""

from litestar import Response, delete, get, put
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import Call, mutate, read
from app.kernel.errors import Invalid
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body
from app.runtime import settings
from app.runtime.schemas.settings import Reason, SettingChange, SettingPage, SettingView

SETTINGS = "/api/v1/admin/runtime/settings"
SETTING = f"{SETTINGS}/{{name:str}}"


def reason(request: Call) -> str:
    """The reason in the query of a DELETE, whose body would not reach every server."""
    said = paging.asked(request, "reason", Reason)
    if said is None:
        raise Invalid.field("reason", "say why, as ?reason=…")
    return said


@get(SETTINGS, operation_class=described(view=SettingPage))
async def listed(request: Call) -> Response[bytes]:
    """Every setting with its default, its value, and who changed it last, when and why."""
    return await read(request, "runtime.read", lambda tx, _: settings.page(tx))


@put(SETTING, operation_class=described(body=SettingChange, view=SettingView))
async def change(request: Call, name: FromPath[str]) -> Response[bytes]:
    """Set it; every process knows of it within a second."""
    return await mutate(request, "runtime.manage", SettingChange, lambda tx, who, body: settings.change(tx, who, name, body))


@delete(SETTING, status_code=200, operation_class=described(view=SettingView))
async def reset(request: Call, name: FromPath[str]) -> Response[bytes]:
    """Take it back to its default; the query's `reason` says why."""
    why = reason(request)

    async def act(tx: Transaction, who: Principal, _body: Body) -> SettingView:
        return await settings.reset(tx, who, name, reason=why)

    return await mutate(request, "runtime.manage", Body, act)


ROUTES = (listed, change, reset)
