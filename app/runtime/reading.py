"""Reading commands, alone, in pages and with all that came of them; and what waits and works now."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from app.events import reading as events
from app.events.schemas import EventView
from app.kernel.errors import Missing
from app.kernel.places import NEWEST, OLDEST, cursor, place
from app.kernel.transaction import Transaction
from app.kernel.wire import LIMIT_MOST, clamped
from app.runtime.queries import reading as queries
from app.runtime.rules.profiles import profile_of
from app.runtime.schemas.commands import (
    ActorView,
    AttemptPage,
    AttemptView,
    CommandPage,
    CommandView,
    TracedApproval,
    TracedChild,
    TracedLetter,
    TraceTotals,
    TraceView,
)
from app.runtime.types import CommandState, Queue

LEVELS_MOST = 8
COMMANDS_MOST = 200
ATTEMPTS_MOST = 1_000
EVENT_PAGES_MOST = 5
# The one state that may hold far more rows than the commands of a type do.
CROWDED = CommandState.SUCCEEDED


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is about; None leaves a question open, and times are from `created_after` to before `created_before`."""

    status: CommandState | None = None
    command_type: str | None = None
    queue: Queue | None = None
    policy_profile: str | None = None
    schedule_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_oldest_first: bool = False


async def page(tx: Transaction, wanted: Filter, *, limit: int | None, behind: str | None) -> CommandPage:
    """A page of commands by when they were created; `behind` is the `next_cursor` of the page before."""
    size = clamped(limit)
    start = place(behind, first=OLDEST if wanted.is_oldest_first else NEWEST)
    states = [wanted.status] if wanted.status else list(CommandState)
    of = (wanted.command_type, wanted.queue, wanted.policy_profile, wanted.schedule_id)
    between = (wanted.created_after, wanted.created_before)
    rows = await tx.rows(_statement(wanted), tx.account_id, *start, size + 1, states, *of, *between)
    items = [view(row) for row in rows[:size]]
    more = cursor(items[-1].created_at, items[-1].id) if len(rows) > size else None
    return CommandPage(items=items, next_cursor=more, limit=size)


def _statement(wanted: Filter) -> str:
    """The statement on the index that the filters narrow most."""
    if wanted.schedule_id is not None:
        return queries.OLDEST_OF_SCHEDULE if wanted.is_oldest_first else queries.NEWEST_OF_SCHEDULE
    if wanted.command_type is not None and wanted.status in {None, CROWDED}:
        return queries.OLDEST_OF_TYPE if wanted.is_oldest_first else queries.NEWEST_OF_TYPE
    return queries.OLDEST_BY_STATE if wanted.is_oldest_first else queries.NEWEST_BY_STATE


async def one(tx: Transaction, command_id: UUID) -> CommandView:
    row = await tx.row(queries.COMMAND, tx.account_id, command_id)
    if row is None:
        raise Missing.thing("command", command_id)
    return view(row)


async def attempts(tx: Transaction, command_id: UUID, *, limit: int | None, behind: int | None) -> AttemptPage:
    """A page of a command's attempts, the first one first."""
    if await tx.value(queries.IS_THERE, tx.account_id, command_id) is None:
        raise Missing.thing("command", command_id)
    size = clamped(limit)
    rows = await tx.rows(queries.ATTEMPTS, tx.account_id, command_id, behind or 0, size + 1)
    items = [_attempt(row) for row in rows[:size]]
    more = str(items[-1].attempt_number) if len(rows) > size else None
    return AttemptPage(items=items, next_cursor=more, limit=size)


async def trace(tx: Transaction, command_id: UUID) -> TraceView:
    """A command with its attempts, events, children, dead letter, approval and totals."""
    tree = await tx.rows(queries.TREE, tx.account_id, command_id, LEVELS_MOST, COMMANDS_MOST + 1)
    if not tree:
        raise Missing.thing("command", command_id)
    commands = [view(row) for row in tree[:COMMANDS_MOST]]
    ids = [command.id for command in commands]
    tried = [_attempt(row) for row in await tx.rows(queries.ATTEMPTS_OF, tx.account_id, ids, ATTEMPTS_MOST)]
    told, are_events_whole = await _told(tx, command_id)
    of: dict[UUID, list[AttemptView]] = {identity: [] for identity in ids}
    for attempt in tried:
        of[attempt.command_id].append(attempt)
    letter = await tx.row(queries.DEAD_LETTER, tx.account_id, command_id)
    approval = await tx.row(queries.APPROVAL, tx.account_id, command_id)
    are_all_tried = len(tried) == sum(command.attempt_count for command in commands)
    return TraceView(
        command=commands[0],
        attempts=of[command_id],
        events=told,
        children=[
            TracedChild(parent_id=row["parent_id"], level=row["level"], command=child, attempts=of[child.id])
            for row, child in zip(tree[1:], commands[1:], strict=False)
        ],
        dead_letter=msgspec.convert(dict(letter), TracedLetter) if letter else None,
        approval=msgspec.convert(dict(approval), TracedApproval) if approval else None,
        totals=_totals(commands, tried),
        is_complete=len(tree) <= COMMANDS_MOST and are_all_tried and are_events_whole,
    )


async def _told(tx: Transaction, command_id: UUID) -> tuple[list[EventView], bool]:
    """The command's events in their order, and whether these are all."""
    told: list[EventView] = []
    for _ in range(EVENT_PAGES_MOST):
        seq = told[-1].seq if told else 0
        some = await events.of_entity(tx, kind="command", entity_id=command_id, seq=seq, limit=LIMIT_MOST)
        told += some.items
        if len(some.items) < some.limit:
            return told, True
    return told, False


def _totals(commands: Sequence[CommandView], tried: Sequence[AttemptView]) -> TraceTotals:
    tokens: dict[str, int] = {}
    for attempt in tried:
        for kind, many in (attempt.token_usage or {}).items():
            tokens[kind] = tokens.get(kind, 0) + many
    return TraceTotals(
        commands=len(commands),
        attempts=len(tried),
        duration_ms=sum(attempt.duration_ms or 0 for attempt in tried),
        cost_usd=sum((attempt.cost_usd or Decimal(0) for attempt in tried), Decimal(0)),
        token_usage=tokens,
    )


def view(row: Any) -> CommandView:
    """The envelope of a command from its row."""
    known = dict(row)
    for name in ("payload", "result"):
        known[name] = None if known[name] is None else msgspec.json.decode(known[name])
    known["actor"] = ActorView(kind=known["actor_kind"], id=known["actor_id"])
    known["max_attempts"] = known["tuned_attempts"] or profile_of(known["policy_profile"]).attempts
    return msgspec.convert(known, CommandView)


def _attempt(row: Any) -> AttemptView:
    known = dict(row) | {"id": f"{row['command_id']}:{row['attempt_number']}", "duration_ms": None}
    if row["completed_at"] is not None:
        known["duration_ms"] = round((row["completed_at"] - row["started_at"]).total_seconds() * 1000)
    if row["token_usage"] is not None:
        known["token_usage"] = msgspec.json.decode(row["token_usage"])
    return msgspec.convert(known, AttemptView)
