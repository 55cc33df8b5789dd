"""Asking people about a held command, and what becomes of it: it is decided, it lapses, or it is given up."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from app.autonomy import queries, reading, targets
from app.autonomy.asking import record
from app.autonomy.rules import voting as rules
from app.autonomy.schemas import ApprovalView, Canceling, Voting
from app.autonomy.types import ApprovalState, Ballot, Obstacle, Voice, Vote
from app.kernel.errors import Duplicate, Forbidden, InvalidTransition, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal, Role
from app.policies.types import Reason
from app.runtime import alerts, holding
from app.runtime.holding import Held
from app.runtime.types import AlertSeverity, CommandEnded

NOTHING: Mapping[str, object] = MappingProxyType({})
REFUSALS = {
    Obstacle.SELF_APPROVAL: "whoever asked for it does not decide it, neither directly nor through a delegation",
    Obstacle.NOT_DELEGATED: "this person has not lent you their voice",
    Obstacle.ROLE_DENIED: "deciding this needs another role",
}


class Lapsed(InvalidTransition):
    """The approval is over, though that is not written yet; `settle` writes it, in a transaction that commits."""


class _Move(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    version: int
    state: ApprovalState
    reason: str | None = None
    escalates: bool = False


async def vote(tx: Transaction, principal: Principal, approval_id: UUID, choice: Vote, asked: Voting) -> ApprovalView:
    """Cast one voice; the one that completes the quorum releases the command, one that denies ends it."""
    voice_id = asked.on_behalf_of or principal.id
    row = await _locked(tx, approval_id, voter_id=principal.id, voice_id=voice_id)
    if not row["is_voice_there"]:
        raise Missing.thing("person", voice_id)
    ask, before = reading.ask_of(row), reading.ballots_of(row)
    _require(row, rules.obstacle(ask, _voice(row, principal.id, voice_id)))
    await _require_open(tx, row, checks_target=choice is Vote.APPROVE)
    if any(ballot.voice_id == voice_id for ballot in before):
        raise Duplicate("this voice was cast already", on_behalf_of=str(voice_id))
    ballot = Ballot(voice_id=voice_id, voter_id=principal.id, role=row["voice_role"], vote=choice)
    tx.write(queries.CAST, tx.account_id, approval_id, voice_id, principal.id, choice, asked.note, expect=1)
    state = rules.outcome(ask, (*before, ballot))
    told: dict[str, object] = {"voter_id": principal.id, "on_behalf_of_id": voice_id, "vote": choice}
    told["voices_missing"] = rules.missing(ask, (*before, ballot))
    reason = asked.note if state is ApprovalState.DENIED else None
    after = await _move(tx, row, state, actor=principal, reason=reason, told=told)
    return reading.view(after, (*before, ballot))


def _voice(row: Any, voter_id: UUID, voice_id: UUID) -> Voice:
    return Voice(
        person_id=voice_id,
        role=row["voice_role"],
        voter_id=voter_id,
        voter_role=row["voter_role"],
        is_delegated=row["is_delegated"],
    )


def _require(row: Any, obstacle: Obstacle | None) -> None:
    if obstacle is not None:
        raise Forbidden(REFUSALS[obstacle], reason=obstacle, min_role=row["min_role"])


async def _require_open(tx: Transaction, row: Any, *, checks_target: bool) -> None:
    _require_pending(row)
    ended, why = await _lapse(tx, row, checks_target=checks_target)
    if ended is not None:
        raise Lapsed(f"the approval is over: {why}", state=ended)


def _require_pending(row: Any) -> None:
    if row["state"] != ApprovalState.PENDING:
        raise InvalidTransition(f"the approval is {row['state']} already", state=row["state"], reason=row["reason"])


async def _lapse(tx: Transaction, row: Any, *, checks_target: bool = True) -> tuple[ApprovalState | None, str]:
    """How it has ended by itself, if it has, and why."""
    ask, version = reading.ask_of(row), row["target_version"]
    if checks_target and ask.target_kind is not None:
        version = await targets.version(tx, ask.target_kind, row["target_id"])
    ended = rules.lapse(ask, now=row["now"], is_held=row["is_held"], version=version)
    return ended, _why(row, ended, version)


def _why(row: Any, ended: ApprovalState | None, version: int | None) -> str:
    if ended is ApprovalState.EXPIRED:
        return "nobody decided in time"
    if not row["is_held"]:
        return "the command does not wait for it any more"
    if version is None:
        return f"the {row['target_kind']} is gone"
    return f"the {row['target_kind']} has version {version} now, and {row['target_version']} was asked about"


async def cancel(tx: Transaction, principal: Principal, approval_id: UUID, asked: Canceling) -> ApprovalView:
    """Give a request up, with its command; its requester does that, or an admin."""
    row = await _locked(tx, approval_id, voter_id=principal.id)
    is_requester = reading.ask_of(row).requester_id == principal.id
    if not is_requester and not rules.reaches(row["voter_role"], Role.ADMIN):
        raise Forbidden("whoever asked for it may cancel it, or an admin", reason=Reason.ROLE_DENIED)
    _require_pending(row)
    return reading.view(await _move(tx, row, ApprovalState.CANCELED, actor=principal, reason=asked.reason))


async def settle(tx: Transaction, approval_id: UUID) -> ApprovalState | None:
    """End an approval that is over by itself; answers how, None when it is not or was decided."""
    row = await _locked(tx, approval_id)
    if row["state"] != ApprovalState.PENDING:
        return None
    ended, why = await _lapse(tx, row)
    if ended is not None:
        await _move(tx, row, ended, actor=None, reason=why)
    return ended


async def escalate(tx: Transaction, approval_id: UUID) -> bool:
    """Call for those who may still decide; nobody's authority grows because nobody used it."""
    row = await _locked(tx, approval_id)
    if row["state"] != ApprovalState.PENDING or row["escalated_at"] is not None:
        return False
    ended, why = await _lapse(tx, row)
    if ended is not None:
        await _move(tx, row, ended, actor=None, reason=why)
        return False
    voices = await reading.open_voices(tx, row)
    missing = rules.missing(reading.ask_of(row), reading.ballots_of(row))
    told = {"voices_missing": missing, "may_decide": [voice.person_id for voice in voices]}
    await _move(tx, row, ApprovalState.PENDING, actor=None, told=told)
    await alerts.raise_alert(
        tx,
        fingerprint=fingerprint(approval_id),
        kind="approval_waits",
        severity=AlertSeverity.WARNING if missing <= len(voices) else AlertSeverity.CRITICAL,
        message=rules.call(row["summary"], missing=missing, names=[voice.name for voice in voices]),
        entity=("approval", approval_id),
    )
    return True


def fingerprint(approval_id: UUID) -> str:
    """What the alert of an approval that nobody decides is known by."""
    return f"approval:{approval_id}"


async def command_ended(tx: Transaction, ended: CommandEnded) -> None:
    """Nobody needs to decide any more: the command is canceled by whoever tells."""
    row = await tx.row(queries.PENDING_OF_COMMAND, tx.account_id, ended.command_id)
    if row is not None:
        await _clear(tx, row, ApprovalState.CANCELED)
        tx.put(queries.MOVE, _Move(id=row["id"], version=row["version"], state=ApprovalState.CANCELED, reason=ended.reason))
        payload = {"command_id": ended.command_id, "reason": ended.reason}
        record(tx, "canceled", row["id"], version=row["version"] + 1, actor=ended.actor, payload=payload)


async def _locked(tx: Transaction, approval_id: UUID, *, voter_id: UUID | None = None, voice_id: UUID | None = None) -> Any:
    row = await tx.fresh_row(queries.SCENE, tx.account_id, approval_id, voter_id, voice_id)
    if row is None:
        raise Missing.thing("approval", approval_id)
    return row


async def _move(
    tx: Transaction,
    row: Any,
    state: ApprovalState,
    *,
    actor: Principal | None,
    reason: str | None = None,
    told: Mapping[str, object] = NOTHING,
) -> dict[str, Any]:
    """Write one move of a pending approval, let its command go on or end with it, and answer the row as it is then."""
    version, is_over = row["version"] + 1, state is not ApprovalState.PENDING
    escalates = not is_over and actor is None
    tx.put(queries.MOVE, _Move(id=row["id"], version=row["version"], state=state, reason=reason, escalates=escalates))
    action = state.value if is_over else "escalated" if escalates else "voted"
    payload = {"command_id": row["command_id"], **told, **({"reason": reason} if reason else {})}
    record(tx, action, row["id"], version=version, actor=actor, payload=payload)
    if is_over:
        await _clear(tx, row, state)
        _decide(tx, row, state, actor=actor, reason=reason)
    return dict(row) | {"state": state, "version": version, "reason": reason, "decided_at": row["now"] if is_over else None}


async def _clear(tx: Transaction, row: Any, state: ApprovalState) -> None:
    if row["escalated_at"] is not None:
        await alerts.clear_alert(tx, fingerprint(row["id"]), reason=state)


def _decide(tx: Transaction, row: Any, state: ApprovalState, *, actor: Principal | None, reason: str | None) -> None:
    if not row["is_held"]:
        return
    profile, attempt = row["command_profile"], row["command_attempt"]
    command = Held(id=row["command_id"], type=row["command_type"], profile=profile, attempt=attempt)
    if state is ApprovalState.APPROVED:
        holding.release(tx, command, actor=actor)
    else:
        holding.end(tx, command, actor=actor, reason=f"its approval is {state}" + (f": {reason}" if reason else ""))
