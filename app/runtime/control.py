"""An operator's hand on commands: submit, cancel, hold, resume; each move writes who made it and one event."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import IdempotencyMismatch, Invalid, InvalidTransition, Missing
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import CONTROL, EVERYTHING, WORK
from app.kernel.wire import decode
from app.runtime import letters, reading, service
from app.runtime.queries import control as queries
from app.runtime.rules.lifecycle import Act, by_hand
from app.runtime.rules.profiles import PROFILES, profile_of
from app.runtime.schemas.commands import ApprovalTerms, Cancel, CommandView, Hold, NewCommand, Resume, Transition
from app.runtime.service import Order
from app.runtime.taxonomy import REGISTRY, CommandType
from app.runtime.types import CommandEnded, CommandState, HeldBy, Terms

EVENTS: Mapping[CommandState, str] = {
    CommandState.CANCELED: "runtime:command:canceled",
    CommandState.HELD: "runtime:command:held",
    CommandState.QUEUED: "runtime:command:resumed",
}


async def submit(tx: Transaction, who: Principal, asked: NewCommand, *, key: str | None) -> tuple[CommandView, bool]:
    """Enqueue a command, once for a type and `key`; answers it, and whether it was there before."""
    kind = _submittable(asked)
    request_hash = hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()
    if key is not None and (row := await tx.row(queries.BY_KEY, tx.account_id, kind.name, key)):
        if row["request_hash"] != request_hash:
            raise IdempotencyMismatch("this idempotency key was used for another command", key=key)
        return reading.view(row), True
    order = Order(
        type=kind.name,
        idempotency_key=key or str(new_id()),
        payload=asked.payload,
        profile=asked.policy_profile,
        delay_seconds=asked.delay_seconds,
        request_hash=request_hash,
    )
    command_id = await service.submit(tx, order, actor=who, terms=_terms(asked.approval))
    await tx.flush()
    return await reading.one(tx, command_id), False


def _submittable(asked: NewCommand) -> CommandType:
    """The type, which people may start with this payload and profile."""
    kind = REGISTRY.find(asked.command_type)
    if not kind.is_submittable:
        raise Invalid.field("command_type", f"{kind.name} is started by the board alone")
    if asked.policy_profile not in {None, *PROFILES}:
        message = f"there is no profile {asked.policy_profile}"
        raise Invalid(message, fields=[{"field": "policy_profile", "message": message}], known=sorted(PROFILES))
    try:
        decode(msgspec.json.encode(asked.payload), kind.payload)
    except Invalid as error:
        fields: Any = error.details["fields"]
        below = [one | {"field": ".".join(filter(None, ("payload", one["field"])))} for one in fields]
        raise Invalid(f"payload: {error.message}", fields=below) from None
    return kind


def _terms(asked: ApprovalTerms | None) -> Terms | None:
    return None if asked is None else Terms(**msgspec.structs.asdict(asked))


async def cancel(tx: Transaction, who: Principal, command_id: UUID, asked: Cancel) -> CommandView:
    """End a command that waits; the worker that runs one is asked to stop."""
    return await _move(tx, who, command_id, to=CommandState.CANCELED, reason=asked.reason)


async def hold(tx: Transaction, who: Principal, command_id: UUID, asked: Hold) -> CommandView:
    """Let a command wait until it is resumed; in a lane all behind it wait too, because their order is the promise."""
    return await _move(tx, who, command_id, to=CommandState.HELD, reason=asked.reason)


async def resume(tx: Transaction, who: Principal, command_id: UUID, asked: Resume) -> CommandView:
    """Queue what an operator or a pause holds; a time that it was to wait for still counts."""
    row = await _locked(tx, command_id)
    if row["status"] != CommandState.HELD:
        raise _refused(row, CommandState.QUEUED, f"only a held command is resumed, this one is {row['status']}")
    return await _moved(tx, who, row, to=CommandState.QUEUED, reason=asked.reason)


async def transition(tx: Transaction, who: Principal, command_id: UUID, asked: Transition) -> CommandView:
    """Make a move that hands may make; every other one, legal or not, is refused."""
    return await _move(tx, who, command_id, to=asked.to, reason=asked.reason)


async def _move(tx: Transaction, who: Principal, command_id: UUID, *, to: CommandState, reason: str | None) -> CommandView:
    return await _moved(tx, who, await _locked(tx, command_id), to=to, reason=reason)


async def _locked(tx: Transaction, command_id: UUID) -> Any:
    row = await tx.row(queries.SCENE, tx.account_id, command_id)
    if row is None:
        raise Missing.thing("command", command_id)
    return row


async def _moved(tx: Transaction, who: Principal, row: Any, *, to: CommandState, reason: str | None) -> CommandView:
    answer = by_hand(CommandState(row["status"]), to=to, held_by=row["held_by"])
    match answer.act:
        case Act.REFUSE:
            raise _refused(row, to, answer.why)
        case Act.LEAVE:
            return reading.view(row)
        case Act.ASK:
            return _asked_to_stop(tx, who, row, reason)
        case Act.MOVE:
            return await _done(tx, who, row, to=to, reason=reason)


def _refused(row: Any, to: CommandState, why: str) -> InvalidTransition:
    return InvalidTransition(why, status=row["status"], to=to, held_by=row["held_by"])


def _asked_to_stop(tx: Transaction, who: Principal, row: Any, reason: str | None) -> CommandView:
    if row["cancel_requested_at"] is not None:
        return reading.view(row)
    tx.write(queries.ASK_TO_STOP, tx.account_id, row["id"], expect=1)
    tx.wake(CONTROL, tx.account_id)
    _record(tx, who, row, "runtime:command:cancel_requested", state=CommandState.RUNNING, reason=reason)
    return reading.view(dict(row) | {"cancel_requested_at": row["now"], "updated_at": row["now"]})


async def _done(tx: Transaction, who: Principal, row: Any, *, to: CommandState, reason: str | None) -> CommandView:
    held_by = HeldBy.OPERATOR if to is CommandState.HELD else None
    # What was to be tried again later and is queued by hand may run now; what was held keeps its time.
    is_due = to is CommandState.QUEUED and row["status"] == CommandState.RETRY_SCHEDULED
    days = profile_of(row["policy_profile"]).retention_days
    tx.write(queries.MOVE, tx.account_id, row["id"], row["status"], to, held_by, is_due, days, expect=1)
    _record(tx, who, row, EVENTS[to], state=to, reason=reason)
    if to is not CommandState.HELD:
        # The next of its lane may begin as well.
        tx.wake(WORK, EVERYTHING)
    if to is CommandState.CANCELED:
        await letters.canceled(tx, who, row["id"], reason=reason)
        _follow(tx, row)
        await tx.tell(CommandEnded(command_id=row["id"], actor=who, reason=reason or ""))
    await tx.flush()
    return await reading.one(tx, row["id"])


def _follow(tx: Transaction, row: Any) -> None:
    """Enqueue what the command names for the case that it is given up, as its worker would have."""
    payload = msgspec.json.decode(row["payload"])
    if wanted := payload.get("on_give_up"):
        given_up = {"payload": payload, "error_class": "canceled", "attempts": row["attempt_count"], "is_expired": False}
        key = f"{row['id']}:{row['attempt_count']}"
        service.enqueue(tx, Order(type=wanted, idempotency_key=key, payload=given_up), actor=None, cause_id=row["id"])


def _record(tx: Transaction, who: Principal, row: Any, kind: str, *, state: CommandState, reason: str | None) -> None:
    is_running = row["status"] == CommandState.RUNNING
    payload = {
        "type": row["command_type"],
        "profile": row["policy_profile"],
        "state": state,
        "from": row["status"],
        "held_by": row["held_by"],
        "reason": reason,
    }
    # An attempt's start and end have the numbers beside it.
    sequence = row["attempt_count"] * 2 - is_running
    events.record(tx, kind, entity=("command", row["id"]), sequence=sequence, actor=who, payload=payload)
