"""The log of who steered the runtime, and why."""

from typing import Any
from uuid import UUID, uuid5

from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import Principal


def record(
    tx: Transaction,
    kind: str,
    *,
    about: tuple[str, str],
    sequence: int,
    actor: Principal | None,
    payload: dict[str, Any],
) -> None:
    """Record the event `runtime:<kind>` of a thing that has a name and no id, such as a setting."""
    thing, name = about
    events.record(
        tx,
        f"runtime:{kind}",
        entity=(thing, _id(tx.account_id, thing, name)),
        sequence=sequence,
        actor=actor,
        payload={"name": name} | payload,
    )


def _id(account_id: UUID, thing: str, name: str) -> UUID:
    """The same for the same thing, so that its history can be read."""
    return uuid5(account_id, f"{thing}:{name}")
