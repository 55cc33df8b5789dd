"""Lending one's voice to somebody else, for a while."""

from typing import Any

import msgspec

from app.autonomy import queries
from app.autonomy.rules import voting as rules
from app.autonomy.schemas import DelegationsView, DelegationView, NewDelegation
from app.events import service as events
from app.kernel.errors import Invalid, Missing, RequirementFailed
from app.kernel.transaction import Transaction
from app.kernel.types import Principal


async def give(tx: Transaction, principal: Principal, asked: NewDelegation) -> DelegationView:
    """Lend the caller's voice; it replaces what was lent before."""
    if asked.to_person_id == principal.id:
        raise Invalid.field("to_person_id", "must be somebody else")
    row = await tx.row(queries.DELEGATE, tx.account_id, asked.to_person_id, asked.until)
    if row["role"] is None:
        raise Missing.thing("person", asked.to_person_id)
    if not row["is_ahead"]:
        raise Invalid.field("until", "must be in the future")
    if not rules.reaches(row["role"], rules.LEAST_VOTER):
        raise RequirementFailed("a voice is lent to somebody who may decide: a member or above", requirement="role")
    tx.write(queries.DELEGATE_TO, tx.account_id, principal.id, asked.to_person_id, asked.reason, asked.until, expect=1)
    given = {"from_person_id": principal.id, "to_person_id": asked.to_person_id, "until": asked.until}
    _record(tx, "given", principal, given)
    return msgspec.convert(given | {"reason": asked.reason, "created_at": row["now"]}, DelegationView)


async def take_back(tx: Transaction, principal: Principal) -> None:
    """End the caller's own delegation."""
    row = await tx.row(queries.DELEGATION_LOCKED, tx.account_id, principal.id)
    if row is None:
        raise Missing.thing("delegation", principal.id)
    tx.write(queries.TAKE_BACK, tx.account_id, principal.id, expect=1)
    _record(tx, "taken_back", principal, {name: row[name] for name in ("from_person_id", "to_person_id", "until")})


async def mine(tx: Transaction, principal: Principal) -> DelegationsView:
    """The voice that the caller lends, and those that were lent to the caller."""
    rows = await tx.rows(queries.DELEGATIONS, tx.account_id, principal.id)
    views = [msgspec.convert(dict(row), DelegationView) for row in rows]
    given = next((view for view in views if view.from_person_id == principal.id), None)
    return DelegationsView(given=given, received=[view for view in views if view.to_person_id == principal.id])


def _record(tx: Transaction, action: str, principal: Principal, payload: dict[str, Any]) -> None:
    events.record(tx, f"autonomy:delegation:{action}", entity=("person", principal.id), actor=principal, payload=payload)
