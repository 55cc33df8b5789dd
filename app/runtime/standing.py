"""Schedules of the board's own: made with each account, and asleep while there is nothing to do for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind
from app.kernel.wake import CONTROL
from app.runtime import timing
from app.runtime.queries import schedules as queries
from app.runtime.rules.schedules import Timing


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that each account has; `asleep` is why it is disabled at times, as it begins unless it `begins_awake`."""

    name: str
    command_type: str
    times: Timing
    asleep: str | None = None
    begins_awake: bool = False


def add(tx: Transaction, standing: Standing, *, now: datetime) -> None:
    """Give a new account its schedule."""
    schedule_id = new_id()
    row: dict[str, Any] = msgspec.structs.asdict(standing.times)
    row |= timing.from_now(standing.times, now=now, anchor=timing.whole(now))
    row |= {"id": schedule_id, "name": standing.name, "command_type": standing.command_type, "payload": {}}
    asleep = None if standing.begins_awake else standing.asleep
    row |= {"is_enabled": asleep is None, "disabled_reason": asleep, "is_dry_run": False, "is_system": True}
    tx.put(queries.INSERT, row | {"created_by_kind": ActorKind.SYSTEM, "created_by_id": None})


async def rouse(tx: Transaction, standing: Standing) -> bool:
    """Enable it if it is asleep; what a person disabled stays so."""
    row = await tx.row(queries.SYSTEM_SCHEDULE_LOCKED, tx.account_id, standing.name)
    if row is None or row["is_enabled"] or row["disabled_reason"] != standing.asleep:
        return False
    times = timing.from_now(timing.of(row), now=row["now"], anchor=row["next_at"])
    tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": True, "disabled_reason": None, "steps": 0, **times})
    tx.wake(CONTROL, tx.account_id)
    return True


async def soon(tx: Transaction, standing: Standing) -> None:
    """Let it tick within its interval, whether it is asleep or was put off; what a person disabled stays so."""
    row = await tx.row(queries.SYSTEM_SCHEDULE_LOCKED, tx.account_id, standing.name)
    if row is None or not (row["is_enabled"] or row["disabled_reason"] == standing.asleep):
        return
    times = timing.from_now(timing.of(row), now=row["now"], anchor=row["next_at"])
    if not row["is_enabled"] or times["fires_at"] < row["fires_at"]:
        tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": True, "disabled_reason": None, "steps": 0, **times})
        tx.wake(CONTROL, tx.account_id)


def hasten(tx: Transaction, standing: Standing, *, within: float) -> None:
    """Let it tick after its interval if it is put off for longer than so many seconds; costs no look at it."""
    tx.put(queries.BRING_FORWARD, {"name": standing.name, "within": within})


async def hold(tx: Transaction, standing: Standing) -> None:
    """Lock it, so that what its ticks do is done by one of them at a time."""
    await tx.row(queries.SYSTEM_SCHEDULE_LOCKED, tx.account_id, standing.name)


async def put_off(tx: Transaction, standing: Standing, *, until: str, about: Sequence[Any] = ()) -> None:
    """Let it tick next when this question about the account says, or sleep where it answers with nothing."""
    row = await tx.row(queries.SYSTEM_SCHEDULE_LOCKED, tx.account_id, standing.name)
    # Asked when the schedule is locked, as below.
    if row is None or not row["is_enabled"]:
        return
    at = await tx.value(until, tx.account_id, *about)
    if at is None:
        tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": False, "disabled_reason": standing.asleep, "steps": 0})
    elif at > row["now"]:
        times = {"next_at": at, "fires_at": at}
        tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": True, "disabled_reason": None, "steps": 0, **times})


async def lull(tx: Transaction, standing: Standing, *, unless: str) -> bool:
    """Put it to sleep until there is something to do for it, `unless` this question about the account is answered yes."""
    row = await tx.row(queries.SYSTEM_SCHEDULE_LOCKED, tx.account_id, standing.name)
    # Asked when the schedule is locked: whoever rouses it is seen here, or waits and then finds it asleep.
    if row is None or not row["is_enabled"] or await tx.value(unless, tx.account_id):
        return False
    tx.put(queries.SWITCH, {"id": row["id"], "is_enabled": False, "disabled_reason": standing.asleep, "steps": 0})
    return True
