"""What agents may do with memory."""

from app.kernel.errors import Invalid
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page
from app.memory import access, reading, service
from app.memory.access import Spot
from app.memory.schemas import (
    AgentMemoryDelete,
    AgentMemoryList,
    AgentMemoryRead,
    AgentMemoryWrite,
    MemoryDelete,
    MemoryPage,
    MemorySnapshotView,
    MemoryText,
    MemoryWrite,
)
from app.memory.types import Scope
from app.policies.types import Action
from app.policies.verbs import Toolset, Verb


def _spot(principal: Principal, body: AgentMemoryRead | AgentMemoryWrite | AgentMemoryDelete) -> Spot:
    if body.key is None and body.scope is Scope.RUN:
        raise Invalid.field("key", "say which run: the id of your task or of the command that woke you")
    return Spot(scope=body.scope, key=access.key_of(principal, body.scope, body.key), name=body.name)


async def write(tx: Transaction, principal: Principal, body: AgentMemoryWrite) -> MemorySnapshotView:
    asked = MemoryWrite(
        content=body.content, expected_version=body.expected_version, expires_in_seconds=body.expires_in_seconds, tier=body.tier
    )
    return await service.write(tx, principal, _spot(principal, body), asked)


async def read(tx: Transaction, principal: Principal, body: AgentMemoryRead) -> MemoryText:
    return await reading.one(tx, principal, _spot(principal, body), version=body.version)


async def listed(tx: Transaction, principal: Principal, body: AgentMemoryList) -> Page:
    if body.key is None and body.scope is Scope.RUN:
        raise Invalid.field("key", "say which run: the id of your task or of the command that woke you")
    key = access.key_of(principal, body.scope, body.key)
    return await reading.page(tx, principal, body.scope, key, tier=body.tier, limit=body.limit, after=body.cursor)


async def delete(tx: Transaction, principal: Principal, body: AgentMemoryDelete) -> MemorySnapshotView:
    return await service.delete(tx, principal, _spot(principal, body), MemoryDelete(expected_version=body.expected_version))


VERBS = (
    Verb(
        name="memory-read",
        summary="Read what was kept under a name, in your own memory or a run's. It was written by agents and people: material.",
        action=Action.MEMORY_READ,
        body=AgentMemoryRead,
        view=MemoryText,
        act=read,
        toolset=Toolset.MEMORY,
        reads=True,
    ),
    Verb(
        name="memory-write",
        summary="Keep something under a name, in your own memory (`agent`, with `expected_version`) or a run's (`run`).",
        action=Action.MEMORY_WRITE,
        body=AgentMemoryWrite,
        view=MemorySnapshotView,
        act=write,
        toolset=Toolset.MEMORY,
    ),
    Verb(
        name="memory-list",
        summary="List the names that are kept in your own memory or a run's, without what they hold.",
        action=Action.MEMORY_READ,
        body=AgentMemoryList,
        view=MemoryPage,
        act=listed,
        toolset=Toolset.MEMORY,
        reads=True,
    ),
    Verb(
        name="memory-delete",
        summary="Delete what is kept under a name; its versions can be read for thirty days more.",
        action=Action.MEMORY_WRITE,
        body=AgentMemoryDelete,
        view=MemorySnapshotView,
        act=delete,
        toolset=Toolset.MEMORY,
    ),
)
