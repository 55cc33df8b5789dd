"""Reading approvals: lists, and one with its votes, its command and who may still decide."""

from typing import Any
from uuid import UUID

import msgspec

from app.autonomy import queries
from app.autonomy.rules import voting as rules
from app.autonomy.schemas import ApprovalDetail, ApprovalPage, ApprovalView, VoiceView, VoteView, WaitingCommand
from app.autonomy.types import ApprovalState, Ask, Ballot, Voice
from app.kernel.errors import Missing
from app.kernel.ids import NEWEST_ID
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, Role
from app.kernel.wire import clamped

_ballots = msgspec.json.Decoder(tuple[Ballot, ...])
_COMPUTED = {"voices_missing"}
_FIELDS = tuple(name for name in ApprovalView.__struct_fields__ if name not in _COMPUTED)


def ask_of(row: Any) -> Ask:
    """What the approval needs."""
    return Ask(
        quorum=row["quorum"],
        min_role=Role(row["min_role"]),
        expires_at=row["ends_at"],
        requester_id=row["requested_by_id"] if row["requested_by_kind"] == ActorKind.PERSON else None,
        target_kind=row["target_kind"],
        target_version=row["target_version"],
    )


def ballots_of(row: Any) -> tuple[Ballot, ...]:
    return _ballots.decode(row["ballots"])


def view(row: Any, ballots: tuple[Ballot, ...] | None = None) -> ApprovalView:
    """The approval as its row shows it, or with these ballots."""
    return msgspec.convert(_shown(row, ballots), ApprovalView)


def _shown(row: Any, ballots: tuple[Ballot, ...] | None = None) -> dict[str, Any]:
    is_pending = row["state"] == ApprovalState.PENDING
    missing = rules.missing(ask_of(row), ballots_of(row) if ballots is None else ballots) if is_pending else 0
    return {name: row[name] for name in _FIELDS} | {"voices_missing": missing}


async def page(
    tx: Transaction,
    principal: Principal,
    *,
    state: ApprovalState | None,
    is_mine: bool,
    limit: int | None,
    before: UUID | None,
) -> ApprovalPage:
    """A page of approvals, newest first; `is_mine` are those that wait for the caller's voice."""
    size = clamped(limit)
    behind = (tx.account_id, before or NEWEST_ID, size + 1)
    if is_mine and state in (None, ApprovalState.PENDING):
        rows = await tx.rows(queries.NEWEST_FOR_PERSON, *behind, principal.id)
    elif is_mine:
        rows = []
    elif state is not None:
        rows = await tx.rows(queries.NEWEST_OF_STATE, *behind, state)
    else:
        rows = await tx.rows(queries.NEWEST, *behind)
    items = [view(row) for row in rows[:size]]
    return ApprovalPage(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def one(tx: Transaction, principal: Principal, approval_id: UUID) -> ApprovalDetail:
    """An approval with all that somebody needs who is to decide."""
    row = await tx.row(queries.ONE, tx.account_id, approval_id)
    if row is None:
        raise Missing.thing("approval", approval_id)
    votes = await tx.rows(queries.VOTES, tx.account_id, approval_id)
    is_open = row["state"] == ApprovalState.PENDING and row["is_held"]
    voices = await open_voices(tx, row) if is_open else []
    command = WaitingCommand(
        id=row["command_id"],
        type=row["command_type"],
        state=row["command_state"],
        profile=row["command_profile"],
        payload=msgspec.Raw(row["payload"].encode()),
    )
    return ApprovalDetail(
        **_shown(row),
        command=command,
        votes=[msgspec.convert(dict(vote), VoteView) for vote in votes],
        may_decide=voices,
        your_voices=[voice.person_id for voice in voices if principal.id in (voice.person_id, voice.delegate_id)],
    )


async def open_voices(tx: Transaction, row: Any) -> list[VoiceView]:
    """The people whose voices would still count."""
    ask, cast = ask_of(row), {ballot.voice_id for ballot in ballots_of(row)}
    people = await tx.rows(queries.PEOPLE, tx.account_id)
    return [_voice(person, ask) for person in people if person["id"] not in cast and _may_speak(ask, person)]


def _may_speak(ask: Ask, person: Any) -> bool:
    own = Voice(person_id=person["id"], role=person["role"], voter_id=person["id"], voter_role=person["role"])
    return rules.obstacle(ask, own) is None


def _voice(person: Any, ask: Ask) -> VoiceView:
    lent = Voice(
        person_id=person["id"],
        role=person["role"],
        voter_id=person["delegate_id"] or person["id"],
        voter_role=person["delegate_role"],
        is_delegated=True,
    )
    delegate = person["delegate_id"] if rules.obstacle(ask, lent) is None else None
    return VoiceView(person_id=person["id"], name=person["name"], role=Role(person["role"]), delegate_id=delegate)
