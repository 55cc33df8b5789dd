"""Follow-ups without a model: who has been silent on a task is asked for an answer, on the orchestrator's behalf."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.delivery.queries import wakeups as queries
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.messages import requests
from app.messages.types import Suppression
from app.policies.types import AccountPolicy
from app.runtime.rules.settings import FOLLOWUP_BLOCKED, FOLLOWUP_MOST, FOLLOWUP_SILENT
from app.tasks.rules.silence import Quiet, chosen, next_silence, silent
from app.tasks.types import TaskStatus

CONSIDERED_MOST = 200
ASKED_MOST = 10
# Those that fall silent within so long are followed up together, in their order.
TOGETHER = timedelta(seconds=55)
WORDS = (
    "Nothing was heard from you on this task for {time}. Say where it stands, what is in its way, and what you do next; "
    "if you cannot go on, set it blocked with the reason."
)


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks that were followed up, and when to look again if that is before the leader's own time."""

    tasks: tuple[UUID, ...] = ()
    again_at: datetime | None = None


async def follow_up(
    tx: Transaction, leader: Principal, account: AccountPolicy, *, interval: timedelta, now: datetime
) -> Followed:
    """Ask the assignees of the stalest silent tasks, as many as are left of what may be asked in the leader's interval."""
    most = tx.controls.limit(tx.account_id, FOLLOWUP_MOST)
    if not most:
        return Followed()
    rows = await tx.rows(queries.SILENT, tx.account_id, leader.id, float(account.lease_seconds), now - interval, CONSIDERED_MOST)
    active = timedelta(minutes=tx.controls.limit(tx.account_id, FOLLOWUP_SILENT))
    blocked = timedelta(hours=tx.controls.limit(tx.account_id, FOLLOWUP_BLOCKED))
    before = [row["asked_at"] for row in rows if row["asked_at"] is not None]
    budget, tasks = max(0, most - len(before)), [_quiet(row) for row in rows]
    stale = silent(tasks, now=now, active=active, blocked=blocked)
    asked = await _asked(tx, leader, rows, stale, budget=budget, now=now) if budget and stale else ()
    if len(asked) == budget:
        return Followed(tasks=asked, again_at=min([now, *before]) + interval)
    upcoming = next_silence(tasks, now=now, active=active)
    return Followed(tasks=asked, again_at=upcoming + TOGETHER if upcoming else None)


async def _asked(
    tx: Transaction, leader: Principal, rows: Sequence[Any], stale: Sequence[Quiet], *, budget: int, now: datetime
) -> tuple[UUID, ...]:
    agents = {row["id"]: dict(zip(row["slugs"], row["agents"], strict=True)) for row in rows}
    pairs = [(one.id, agents[one.id][slug]) for one in stale for slug in one.askable]
    held_back = await requests.held_back(tx, leader.id, pairs, now=now)
    picked = chosen([_without(one, agents[one.id], held_back) for one in stale], most=budget)
    # In one order, so that two who lock several tasks do not wait for each other.
    await tx.rows(queries.LOCK_TASKS, tx.account_id, sorted(one.id for one in picked))
    asked = [await _ask(tx, leader, one, now=now) for one in picked]
    return tuple(one for one in asked if one is not None)


def _quiet(row: Any) -> Quiet:
    return Quiet(id=row["id"], status=TaskStatus(row["status"]), sign=row["sign"], askable=tuple(row["slugs"]))


def _without(one: Quiet, agents: Mapping[str, UUID], held_back: Mapping[tuple[UUID, UUID], Suppression]) -> Quiet:
    askable = tuple(slug for slug in one.askable if (one.id, agents[slug]) not in held_back)
    return Quiet(id=one.id, status=one.status, sign=one.sign, askable=askable[:ASKED_MOST])


async def _ask(tx: Transaction, leader: Principal, one: Quiet, *, now: datetime) -> UUID | None:
    words = WORDS.format(time=_said(now - one.sign))
    made = await requests.ask(tx, leader, one.id, slugs=one.askable, message=words, is_by_clock=True)
    return one.id if made.created else None


def _said(silence: timedelta) -> str:
    minutes = int(silence.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 2 * 60 else f"{minutes // 60} hours"
