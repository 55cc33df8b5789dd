"""What becomes of a command that waited for an approval: it goes on as it is, or it ends."""

from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import EVERYTHING, WORK
from app.runtime.queries import holding as queries
from app.runtime.rules.profiles import profile_of
from app.runtime.types import CommandState, HeldBy


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A command as its row shows it, which the caller has locked."""

    id: UUID
    type: str
    profile: str
    attempt: int


class _Release(msgspec.Struct, frozen=True):
    id: UUID


class _End(msgspec.Struct, frozen=True):
    id: UUID
    reason: str
    retention_days: int


def release(tx: Transaction, command: Held, *, actor: Principal | None) -> None:
    """Queue the held command; InvalidTransition, when the transaction ends, if it does not wait for an approval."""
    tx.put(queries.RELEASE, _Release(command.id))
    _record(tx, "resumed", command, CommandState.QUEUED, actor=actor)
    tx.wake(WORK, EVERYTHING)


def end(tx: Transaction, command: Held, *, actor: Principal | None, reason: str) -> None:
    """Cancel the held command; InvalidTransition, when the transaction ends, if it does not wait for an approval."""
    tx.put(queries.END, _End(command.id, reason, profile_of(command.profile).retention_days))
    _record(tx, "canceled", command, CommandState.CANCELED, actor=actor, reason=reason)
    # The next of its lane may begin now.
    tx.wake(WORK, EVERYTHING)


def _record(
    tx: Transaction, action: str, command: Held, state: CommandState, *, actor: Principal | None, reason: str | None = None
) -> None:
    payload = {
        "type": command.type,
        "profile": command.profile,
        "state": state,
        "from": CommandState.HELD,
        "held_by": HeldBy.APPROVAL,
        "reason": reason,
    }
    sequence = command.attempt * 2
    events.record(
        tx, f"runtime:command:{action}", entity=("command", command.id), sequence=sequence, actor=actor, payload=payload
    )
