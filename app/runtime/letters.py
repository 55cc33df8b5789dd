"""Dead letters: reading them, replaying one or all of a cause, discarding them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Forbidden, InvalidTransition, Missing
from app.kernel.ids import NEWEST_ID
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import EVERYTHING, WORK
from app.kernel.wire import clamped
from app.runtime import alerts
from app.runtime.closings import LETTER_DAYS
from app.runtime.queries import letters as queries
from app.runtime.rules import letters as rules
from app.runtime.rules.letters import LetterFacts
from app.runtime.rules.profiles import PROFILES, profile_of
from app.runtime.schemas.letters import (
    CausesView,
    CauseView,
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterView,
    Discard,
    ReplayedView,
    ReplayMany,
)
from app.runtime.taxonomy import REGISTRY
from app.runtime.types import CommandsReplayed, CommandState, DeadLetterState, ErrorClass, Replayed, ReplayObstacle

ERRORS_SHOWN = 50


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters a page is about; what is None does not matter."""

    state: DeadLetterState | None = None
    reason_class: ErrorClass | None = None
    command_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def fingerprint(command_id: UUID) -> str:
    """What the alert about a command that was given up is known by."""
    return f"dead_letter:{command_id}"


async def page(tx: Transaction, asked: Asked, *, limit: int | None, before: UUID | None) -> DeadLetterPage:
    """A page of letters, newest first."""
    size = clamped(limit)
    wanted = (asked.state, asked.reason_class, asked.command_type, asked.since, asked.until)
    rows = await tx.rows(queries.PAGE, tx.account_id, before or NEWEST_ID, *wanted, size + 1)
    items = [view(row) for row in rows[:size]]
    return DeadLetterPage(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def one(tx: Transaction, letter_id: UUID) -> DeadLetterDetail:
    """A letter with what its command carries and how its attempts ended."""
    row = await tx.row(queries.ONE, tx.account_id, letter_id, ERRORS_SHOWN)
    if row is None:
        raise Missing.thing("dead letter", letter_id)
    more = {"payload": msgspec.json.decode(row["payload"]), "errors": msgspec.json.decode(row["errors"])}
    more |= {"command_status": row["command_state"], "lane_seq": row["lane_seq"]}
    return msgspec.convert(_shown(row) | more, DeadLetterDetail)


async def causes(tx: Transaction, *, since: datetime | None, until: datetime | None) -> CausesView:
    """What commands were given up for, and what replaying them came to."""
    rows = await tx.rows(queries.CAUSES, tx.account_id, since, until)
    total = sum(row["count"] for row in rows)
    return CausesView(items=[_cause(row, total=total) for row in rows], total=total, since=since, until=until)


def _cause(row: Any, *, total: int) -> CauseView:
    known = dict(row)
    rate = rules.success_rate(resolved=known["resolved"], ended=known.pop("ended"))
    return CauseView(**known, share=rules.share(known["count"], total=total), replay_success_rate=rate)


async def replay(tx: Transaction, principal: Principal, letter_id: UUID) -> DeadLetterView:
    """Queue the letter's command once more, as the same command with a fresh budget."""
    row = await _locked(tx, letter_id)
    _refuse(rules.obstacle(_facts(row), who=principal.id), row)
    await _replay(tx, principal, [row])
    made = {"state": DeadLetterState.REPLAYING, "replay_count": row["replay_count"] + 1, "replayed_at": row["now"]}
    made |= {"replayed_by_id": principal.id, "replay_request_id": tx.origin.request_id, "retention_until": None}
    return view(dict(row) | made)


def _refuse(obstacle: ReplayObstacle | None, row: Any) -> None:
    match obstacle:
        case None:
            return
        case ReplayObstacle.OWN_REQUEST:
            raise Forbidden(rules.WORDS[obstacle], reason=obstacle)
        case _:
            raise InvalidTransition(f"{rules.WORDS[obstacle]}; it is {row['state']}", reason=obstacle, status=row["state"])


async def replay_many(tx: Transaction, principal: Principal, asked: ReplayMany) -> ReplayedView:
    """Queue again what was given up for one cause, the oldest first; UnknownCommand for a type that nobody declared."""
    if asked.command_type is not None:
        REGISTRY.find(asked.command_type)
    named = asked.reason_class is not None or asked.command_type is not None
    known = [kind.name for kind in REGISTRY.all()]
    alone = [profile.name for profile in PROFILES.values() if not rules.in_bulk(profile)]
    which = (asked.reason_class, asked.command_type, known, alone, list(rules.left_out(is_named=named)))
    rows = await tx.rows(queries.LOCKED_BY_CAUSE, tx.account_id, *which, asked.most)
    remaining = await tx.value(queries.COUNT_BY_CAUSE, tx.account_id, *which) - len(rows)
    if rows:
        await _replay(tx, principal, rows)
    return ReplayedView(replayed=len(rows), remaining=remaining)


async def replay_these(tx: Transaction, principal: Principal, letter_ids: Sequence[UUID]) -> int:
    """Queue the commands of these letters once more, but for those that this principal may not; answers how many."""
    found = await tx.rows(queries.LOCKED_THESE, tx.account_id, list(letter_ids))
    rows = [row for row in found if rules.obstacle(_facts(row), who=principal.id) is None]
    if rows:
        await _replay(tx, principal, rows)
    return len(rows)


async def _replay(tx: Transaction, principal: Principal, rows: Sequence[Any]) -> None:
    ids = [row["command_id"] for row in rows]
    replayed = tuple(
        Replayed(
            id=row["command_id"], type=row["command_type"], spent=row["attempt"], payload=msgspec.json.decode(row["payload"])
        )
        for row in rows
    )
    await tx.tell(CommandsReplayed(commands=replayed, actor=principal))
    tx.write(queries.REPLAY, tx.account_id, ids, principal.id, tx.origin.request_id, expect=len(ids))
    for row in rows:
        for action, state in (("replay_requested", CommandState.REPLAY_REQUESTED), ("queued", CommandState.QUEUED)):
            _record(tx, principal, row, action, state=state, replay_count=row["replay_count"] + 1)
    tx.wake(WORK, EVERYTHING)


async def discard(tx: Transaction, principal: Principal, letter_id: UUID, asked: Discard) -> DeadLetterView:
    """Give the command up for good; what is discarded already stays as it is."""
    row = await _locked(tx, letter_id)
    if row["state"] == DeadLetterState.DISCARDED:
        return view(row)
    if row["state"] != DeadLetterState.OPEN:
        raise InvalidTransition(f"only an open dead letter is discarded; it is {row['state']}", status=row["state"])
    await alerts.clear_alert(tx, fingerprint(row["command_id"]), actor=principal, reason=asked.reason)
    until = row["now"] + timedelta(days=LETTER_DAYS)
    tx.write(queries.DISCARD, tx.account_id, row["command_id"], principal.id, asked.reason, until, expect=1)
    about = {"command_id": row["command_id"], "reason_class": row["reason_class"], "reason": asked.reason}
    events.record(tx, "runtime:dead_letter:discarded", entity=("dead_letter", letter_id), actor=principal, payload=about)
    # The next of its lane may begin now.
    tx.wake(WORK, EVERYTHING)
    made = {"state": DeadLetterState.DISCARDED, "discarded_by_id": principal.id, "discard_reason": asked.reason}
    return view(dict(row) | made | {"retention_until": until})


async def canceled(tx: Transaction, principal: Principal, command_id: UUID, *, reason: str | None) -> None:
    """The command was canceled while it waited; if that was a replay, its letter is discarded with it."""
    why = reason or "its replay was canceled"
    letter_id = await tx.value(queries.TAKE_BACK, tx.account_id, command_id, principal.id, why, LETTER_DAYS)
    if letter_id is None:
        return
    await alerts.clear_alert(tx, fingerprint(command_id), actor=principal, reason=why)
    about = {"command_id": command_id, "reason": why}
    events.record(tx, "runtime:dead_letter:discarded", entity=("dead_letter", letter_id), actor=principal, payload=about)


async def _locked(tx: Transaction, letter_id: UUID) -> Any:
    row = await tx.row(queries.LOCKED, tx.account_id, letter_id)
    if row is None:
        raise Missing.thing("dead letter", letter_id)
    return row


def _record(tx: Transaction, principal: Principal, row: Any, action: str, *, state: CommandState, **more: object) -> None:
    payload = {"type": row["command_type"], "profile": row["profile"], "state": state, "attempt": row["attempt"]}
    payload |= {"dead_letter_id": row["id"], "reason_class": row["reason_class"]} | more
    entity, sequence = ("command", row["command_id"]), row["attempt"] * 2
    events.record(tx, f"runtime:command:{action}", entity=entity, sequence=sequence, actor=principal, payload=payload)


def _facts(row: Mapping[str, Any]) -> LetterFacts:
    return LetterFacts(
        state=DeadLetterState(row["state"]),
        command_state=CommandState(row["command_state"]),
        profile=profile_of(row["profile"]),
        is_known=any(kind.name == row["command_type"] for kind in REGISTRY.all()),
        is_marked=row["eligible_for_replay"],
        requested_by=row["actor_id"],
    )


def view(row: Mapping[str, Any]) -> DeadLetterView:
    return msgspec.convert(_shown(row), DeadLetterView)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    eligible = rules.is_eligible(_facts(row))
    return dict(row) | {"status": row["state"], "policy_profile": row["profile"], "eligible_for_replay": eligible}
