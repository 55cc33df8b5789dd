"""How a verb that agents may call is declared: once, for every transport."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body, View
from app.policies.types import Action

Act = Callable[[Transaction, Principal, Any], Awaitable[View | None]]


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is what the policies are asked; `act` asks them itself, with the facts it loads."""

    name: str
    summary: str
    action: Action
    body: type[Body]
    view: type[View]
    act: Act
    status: int = 200
