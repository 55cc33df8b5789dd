"""Canceling several commands at once, for a room that needs what they were to do no longer."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import CONTROL, EVERYTHING, WORK
from app.runtime import letters
from app.runtime.queries import control as queries
from app.runtime.rules.profiles import profile_of
from app.runtime.types import CommandState


async def cancel_all(tx: Transaction, who: Principal, command_ids: Collection[UUID], *, reason: str) -> list[UUID]:
    """Cancel those that wait and ask those that run to stop; what they name for the case that they are given up does not follow.

    Answers which they were; the others had ended.
    """
    rows = await tx.rows(queries.OPEN, tx.account_id, list(command_ids)) if command_ids else []
    running = [row for row in rows if row["status"] == CommandState.RUNNING]
    waiting = [row for row in rows if row["status"] != CommandState.RUNNING]
    if running:
        tx.write(queries.ASK_ALL_TO_STOP, tx.account_id, [row["id"] for row in running], expect=len(running))
        tx.wake(CONTROL, tx.account_id)
    if waiting:
        days = max(profile_of(row["policy_profile"]).retention_days for row in waiting)
        tx.write(queries.CANCEL, tx.account_id, [row["id"] for row in waiting], days, expect=len(waiting))
        # The next of their lanes may begin.
        tx.wake(WORK, EVERYTHING)
    for row in rows:
        _record(tx, who, row, reason=reason)
    for row in waiting:
        if row["spent"]:
            await letters.canceled(tx, who, row["id"], reason=reason)
    return [row["id"] for row in rows]


def _record(tx: Transaction, who: Principal, row: Any, *, reason: str) -> None:
    is_running = row["status"] == CommandState.RUNNING
    payload = {
        "type": row["command_type"],
        "profile": row["policy_profile"],
        "state": CommandState.RUNNING if is_running else CommandState.CANCELED,
        "from": row["status"],
        "held_by": row["held_by"],
        "reason": reason,
    }
    kind = "runtime:command:cancel_requested" if is_running else "runtime:command:canceled"
    # An attempt's start and end have the numbers beside it.
    sequence = row["attempt_count"] * 2 - is_running
    events.record(tx, kind, entity=("command", row["id"]), sequence=sequence, actor=who, payload=payload)
