"""Conditions that want a person: raised once however often they are seen, cleared when they are over."""

from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel import places
from app.kernel.errors import Missing
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped
from app.runtime.queries import alerts as queries
from app.runtime.schemas.alerts import AlertClearing, AlertState, AlertView
from app.runtime.types import AlertSeverity

LONGEST_MESSAGE = 500


async def raise_alert(  # noqa: PLR0913
    tx: Transaction,
    *,
    fingerprint: str,
    kind: str,
    severity: AlertSeverity,
    message: str,
    entity: tuple[str, UUID | None],
    actor: Principal | None = None,
) -> UUID:
    """Open the alert, or count it once more where it is open already; the log is told of a new one only. Answers its id."""
    row = await tx.row(
        queries.RAISE, tx.account_id, new_id(), fingerprint, kind, severity, message[:LONGEST_MESSAGE], entity[0], entity[1]
    )
    alert_id: UUID = row["id"]
    if row["is_new"]:
        about: dict[str, object] = {
            "fingerprint": fingerprint,
            "kind": kind,
            "severity": severity,
            "message": message[:LONGEST_MESSAGE],
        }
        about |= {"entity_kind": entity[0], "entity_id": entity[1]}
        events.record(tx, "ops:alert:raised", entity=("alert", alert_id), actor=actor, payload=about)
    return alert_id


async def clear_alert(tx: Transaction, fingerprint: str, *, actor: Principal | None = None, reason: str | None = None) -> bool:
    """Clear the open alert with this fingerprint; answers whether there was one."""
    row = await tx.row(queries.CLEAR, tx.account_id, fingerprint)
    if row is None:
        return False
    about = {"fingerprint": fingerprint, "kind": row["kind"], "severity": row["severity"], "reason": reason}
    events.record(tx, "ops:alert:cleared", entity=("alert", row["id"]), actor=actor, payload=about, sequence=2)
    return True


async def clear(tx: Transaction, principal: Principal, alert_id: UUID, asked: AlertClearing) -> AlertView:
    """Somebody says that it is over; what is cleared already stays as it is."""
    row = await tx.row(queries.LOCKED, tx.account_id, alert_id)
    if row is None:
        raise Missing.thing("alert", alert_id)
    if row["cleared_at"] is None:
        await clear_alert(tx, row["fingerprint"], actor=principal, reason=asked.reason)
        row = await tx.row(queries.LOCKED, tx.account_id, alert_id)
    return view(row)


async def page(tx: Transaction, *, state: AlertState | None, limit: int | None, cursor: str | None) -> Page:
    """A page of alerts, newest first."""
    size = clamped(limit)
    is_open = None if state is None else state == "open"
    rows = await tx.rows(queries.PAGE, tx.account_id, *places.place(cursor, first=places.NEWEST), is_open, size + 1)
    items = [view(row) for row in rows[:size]]
    more = places.cursor(items[-1].opened_at, items[-1].id) if len(rows) > size else None
    return Page(items=items, next_cursor=more, limit=size)


def view(row: Any) -> AlertView:
    return msgspec.convert(dict(row), AlertView)
