"""The due schedules of one account become commands, each tick once, in the transaction that moves them on."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.runtime import service, timing
from app.runtime.alerts import raise_alert
from app.runtime.queries import schedules as queries
from app.runtime.rules import schedules as rules
from app.runtime.rules.schedules import FAILURES_TO_DISABLE, Plan
from app.runtime.service import Order
from app.runtime.types import AlertSeverity, Misfire

MOST_AT_ONCE = 50
FAILURE_WINDOW_SECONDS = 600.0
NEVER = "no tick of it will ever come"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """At most how many schedules to take, of which command types, and which ones to leave."""

    known: list[str]
    most: int = MOST_AT_ONCE
    without: Sequence[UUID] = ()


async def fire(tx: Transaction, limits: Limits, *, failing: Sequence[UUID], jitter: Callable[[], float]) -> list[UUID]:
    """Fire what is due, and disable what keeps failing; answers which schedules were taken."""
    window = FAILURE_WINDOW_SECONDS
    rows = await tx.rows(queries.DUE, tx.account_id, failing, limits.known, window, limits.most, limits.without)
    due: list[tuple[Any, Plan]] = []
    for row in rows:
        if row["failures"] >= FAILURES_TO_DISABLE:
            await _disable_failing(tx, row)
        elif row["is_due"]:
            due.append((row, rules.plan(timing.of(row), next_at=row["next_at"], now=row["now"], jitter=jitter())))
    for row, plan in await _unfired(tx, due):
        await _carry_out(tx, row, plan)
    return [row["id"] for row in rows]


def key_of(schedule_id: UUID, tick: datetime) -> str:
    return f"sched:{schedule_id}:{_said(tick)}"


def alert_of(schedule_id: UUID) -> str:
    """The fingerprint of the alert about a schedule."""
    return f"schedule:{schedule_id}"


async def _unfired(tx: Transaction, due: list[tuple[Any, Plan]]) -> list[tuple[Any, Plan]]:
    """The plans without ticks that have their command already."""
    keys = [(row["command_type"], key_of(row["id"], tick)) for row, plan in due for tick in plan.fire]
    if not keys:
        return due
    types, texts = map(list, zip(*keys, strict=True))
    known = {row["idempotency_key"] for row in await tx.rows(queries.ENQUEUED_TICKS, tx.account_id, types, texts)}
    return [
        (row, msgspec.structs.replace(plan, fire=tuple(tick for tick in plan.fire if key_of(row["id"], tick) not in known)))
        for row, plan in due
    ]


async def _carry_out(tx: Transaction, row: Any, plan: Plan) -> None:
    command_id = None
    for tick in plan.fire:
        if row["is_dry_run"]:
            about = {"key": key_of(row["id"], tick), "payload": msgspec.json.decode(row["payload"])}
            tell(tx, row, "dry_run", tick=_said(tick), **about)
        else:
            command_id = await service.submit(tx, _order(row, key_of(row["id"], tick)), actor=_creator(tx, row))
            tell(tx, row, "fired", tick=_said(tick), command_id=command_id)
    if plan.missed:
        _tell_of_missed(tx, row, plan)
    if plan.next_at is None or plan.fires_at is None:
        tell(tx, row, "disabled", version=row["version"] + 1, reason=NEVER)
        tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": False, "disabled_reason": NEVER})
        return
    tx.put(
        queries.ADVANCE,
        {
            "id": row["id"],
            "next_at": plan.next_at,
            "fires_at": plan.fires_at,
            "is_dry_run": row["is_dry_run"] and not plan.fire,
            "last_tick_at": plan.fire[-1] if plan.fire else None,
            "last_command_id": command_id,
        },
    )


def _order(row: Any, key: str) -> Order:
    payload = msgspec.json.decode(row["payload"])
    return Order(type=row["command_type"], idempotency_key=key, payload=payload, schedule_id=row["id"])


def _creator(tx: Transaction, row: Any) -> Principal | None:
    """On whose behalf it fires, so that nobody approves by another name what they asked for."""
    kind = ActorKind(row["created_by_kind"])
    if kind is ActorKind.SYSTEM or row["created_by_id"] is None:
        return None
    return Principal(kind=kind, id=row["created_by_id"], account_id=tx.account_id, name=row["name"])


def _tell_of_missed(tx: Transaction, row: Any, plan: Plan) -> None:
    if row["misfire"] == Misfire.RUN_ONCE and plan.fire:
        tell(tx, row, "coalesced", missed=plan.missed, tick=_said(plan.fire[-1]))
    else:
        tell(tx, row, "skipped", missed=plan.missed, misfire=row["misfire"])


async def _disable_failing(tx: Transaction, row: Any) -> None:
    minutes = round(FAILURE_WINDOW_SECONDS / 60)
    reason = f"{row['failures']} attempts of its commands failed within {minutes} minutes"
    tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": False, "disabled_reason": reason})
    tell(tx, row, "disabled", version=row["version"] + 1, reason=reason, failures=row["failures"])
    await raise_alert(
        tx,
        fingerprint=alert_of(row["id"]),
        kind="schedule_disabled",
        severity=AlertSeverity.WARNING,
        message=f"the schedule {row['name']} was disabled: {reason}",
        entity=("schedule", row["id"]),
    )


def tell(tx: Transaction, row: Any, what: str, *, version: int | None = None, **about: Any) -> None:
    """One event of the schedule by the board itself; ticks leave its version as it is."""
    payload = {"name": row["name"], "command_type": row["command_type"], **about}
    events.record(
        tx,
        f"runtime:schedule:{what}",
        entity=("schedule", row["id"]),
        sequence=version or row["version"],
        actor=None,
        payload=payload,
    )


def _said(tick: datetime) -> str:
    return tick.isoformat().replace("+00:00", "Z")
