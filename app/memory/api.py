"""Memory for people: REST."""

from litestar import Response, delete, get, put
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import Call, mutate, read
from app.kernel.errors import Invalid, Missing
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body
from app.memory import access, reading, rules, service
from app.memory.access import Spot
from app.memory.schemas import MemoryDelete, MemoryPage, MemorySnapshotView, MemoryText, MemoryWrite, Name, Version
from app.memory.types import Scope, Tier

ITEMS = "/api/v1/memory/{scope_type:str}/{scope_key:str}"
ITEM = "/api/v1/memory/{scope_type:str}/{scope_key:str}/{name:str}"


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise Missing.thing("scope", text[:64]) from None


def _spot(who: Principal, scope: str, key: str, name: str) -> Spot:
    """What nobody could have written is absent like any other."""
    if not rules.is_name(name):
        raise Missing.thing("memory", f"{scope[:64]}/{key[:64]}/{name[:64]}")
    known = _scope(scope)
    return Spot(scope=known, key=access.key_of(who, known, key), name=name)


@get(ITEMS, operation_class=described(view=MemoryPage))
async def items(request: Call, scope_type: FromPath[str], scope_key: FromPath[str]) -> Response[bytes]:
    """A page of a scope's items by name, without their content; the key `me` is the caller's own. Filter: `tier`."""
    known, tier = _scope(scope_type), paging.asked(request, "tier", Tier)
    limit, after = paging.limit(request), paging.asked(request, "cursor", Name)
    return await read(
        request,
        "memory.read",
        lambda tx, who: reading.page(tx, who, known, access.key_of(who, known, scope_key), tier=tier, limit=limit, after=after),
    )


@get(ITEM, operation_class=described(view=MemoryText))
async def one(request: Call, scope_type: FromPath[str], scope_key: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """An item with its content; `version` asks for one version."""
    version = paging.asked(request, "version", Version)
    return await read(
        request, "memory.read", lambda tx, who: reading.one(tx, who, _spot(who, scope_type, scope_key, name), version=version)
    )


@put(ITEM, operation_class=described(body=MemoryWrite, view=MemorySnapshotView))
async def write(request: Call, scope_type: FromPath[str], scope_key: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Write the next version of an item."""
    if not rules.is_name(name):
        raise Invalid.field("name", "must be letters, digits and . _ : -, at most 200")
    return await mutate(
        request,
        "memory.write",
        MemoryWrite,
        lambda tx, who, body: service.write(tx, who, _spot(who, scope_type, scope_key, name), body),
    )


@delete(ITEM, status_code=200, operation_class=described(view=MemorySnapshotView))
async def remove(request: Call, scope_type: FromPath[str], scope_key: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Delete an item, which is a version too; `expected_version` in the query, since not every server passes a body on."""
    asked = MemoryDelete(expected_version=paging.asked(request, "expected_version", Version))

    async def act(tx: Transaction, who: Principal, _body: Body) -> MemorySnapshotView:
        return await service.delete(tx, who, _spot(who, scope_type, scope_key, name), asked)

    return await mutate(request, "memory.write", Body, act)


@get(f"{ITEM}/versions", operation_class=described(view=MemoryPage))
async def versions(request: Call, scope_type: FromPath[str], scope_key: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A page of an item's versions without their content, newest first."""
    limit, before = paging.limit(request), paging.asked(request, "cursor", Version)
    return await read(
        request,
        "memory.read",
        lambda tx, who: reading.versions(tx, who, _spot(who, scope_type, scope_key, name), limit=limit, before=before),
    )


ROUTES = (items, one, write, remove, versions)
