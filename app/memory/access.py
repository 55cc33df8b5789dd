"""Who asks for which scope, and whether they come to it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.errors import Forbidden, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.memory import queries, rules
from app.memory.types import Caller, Latest, Place, Reach, Scope
from app.policies import service as policies
from app.policies.types import AccountPolicy, Action, AgentFacts, Reason

_agent = msgspec.json.Decoder(AgentFacts)
_account = msgspec.json.Decoder(AccountPolicy)


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """One name in one scope."""

    scope: Scope
    key: UUID
    name: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.key}/{self.name}"

    @property
    def columns(self) -> tuple[Scope, str, str]:
        return self.scope, str(self.key), self.name


async def readable(tx: Transaction, principal: Principal, scope: Scope, key: UUID) -> datetime:
    """The present time; Missing where the caller may not even know of the scope."""
    row = await tx.row(queries.PLACE, tx.account_id, principal.id, scope, key)
    _reach(row, principal, Action.MEMORY_READ, scope, key)
    return _now(row)


async def writable(tx: Transaction, principal: Principal, spot: Spot) -> datetime:
    """The present time, once it is this writer's turn; Forbidden to who may only read."""
    row = await tx.row(queries.PLACE_IN_TURN, tx.account_id, principal.id, spot.scope, spot.key, spot.name)
    if _reach(row, principal, Action.MEMORY_WRITE, spot.scope, spot.key) is Reach.READ:
        raise Forbidden("only the person itself writes its own memory", reason=Reason.ROLE_DENIED, action=Action.MEMORY_WRITE)
    return _now(row)


def _reach(row: Any, principal: Principal, action: Action, scope: Scope, key: UUID) -> Reach:
    crew = (_agent.decode(row["agent"]),) if row["agent"] else ()
    policies.require(action, principal=principal, account=_account.decode(row["settings"]), crew=crew)
    place = Place(is_there=row["is_there"], is_own=row["is_own"])
    found = rules.reach(scope, Caller(kind=principal.kind, role=principal.role), place)
    if found is Reach.ABSENT:
        raise Missing.thing(scope, key)
    return found


def _now(row: Any) -> datetime:
    now: datetime = row["now"]
    return now


def key_of(principal: Principal, scope: Scope, text: str | UUID | None) -> UUID:
    """The key that somebody sent; `me` and nothing at all stand for the caller where the scope is one of their kind."""
    own = {Scope.AGENT: ActorKind.AGENT, Scope.USER: ActorKind.PERSON}.get(scope)
    if text in (None, "me") and own is principal.kind:
        return principal.id
    if isinstance(text, UUID):
        return text
    try:
        return UUID(text)
    except (TypeError, ValueError):
        raise Missing.thing(scope, str(text)[:64]) from None


async def latest(tx: Transaction, spot: Spot) -> Latest | None:
    row = await tx.row(queries.LATEST, tx.account_id, *spot.columns)
    return None if row is None else msgspec.convert(dict(row), Latest)
