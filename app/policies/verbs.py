"""How a verb that agents may call is declared: once, for every transport."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body, View
from app.policies.types import Action

Prepare = Callable[[Transaction, Principal, Any], Awaitable[Any]]
Run = Callable[[Any, Any], Awaitable[Any]]
Act = Callable[[Transaction, Principal, Any], Awaitable[View | None]]


class Toolset(StrEnum):
    """What is offered together; `core` is what an agent that works on its own tasks needs."""

    CORE = "core"
    TASKS = "tasks"
    DOCUMENTS = "documents"
    TEAM = "team"
    MEMORY = "memory"
    VCS = "vcs"


class Errand(msgspec.Struct, frozen=True):
    """What a verb does outside, with no transaction open: `prepare` decides and loads in one, `run` gets that and the outside."""

    prepare: Prepare
    run: Run


class Ran(msgspec.Struct, frozen=True):
    """What the act of a verb with an errand gets in the place of its body: the body, what was prepared, and what came of it."""

    body: Any
    prepared: Any
    found: Any


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is what the policies are asked; `act` asks them itself, with the facts it loads.

    A verb with an `errand` goes out before its `act`, which gets a `Ran` and decides again, since what is true may have changed.
    A body with a field `fence` may also get it from the header `X-Lease-Fence`; a verb that reads takes no idempotency key.
    """

    name: str
    summary: str
    action: Action
    body: type[Body]
    view: type[View]
    act: Act
    status: int = 200
    toolset: Toolset = Toolset.TASKS
    reads: bool = False
    errand: Errand | None = None

    @property
    def tool(self) -> str:
        """Its name where names hold no hyphens: in MCP and in function calls."""
        return self.name.replace("-", "_")
