"""Whether the gateways are there: a sign of life renews the lease of one, silence lets it run out, each change is told once."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog

from app.agents.types import GatewayChanged, PresenceState
from app.delivery.queries import presence as queries
from app.events import service as events
from app.kernel.transaction import Transaction
from app.runtime import hurrying
from app.runtime.handlers import PASSING, Attempt
from app.runtime.rules.settings import GATEWAY_INTERVAL

# A lease lasts for so many signs that may be missed.
SIGNS = 3
ERROR_MOST = 300
PROFILES_MOST = 10_000

log = structlog.get_logger()


class Signs:
    """What one process heard of gateways: an answer is written once in an interval, apart from what it answers.

    Where the database's time is simulated an interval may be over at any moment, so there every answer is written.
    """

    def __init__(self, *, is_simulated: bool = False, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._is_simulated = is_simulated
        self._monotonic = monotonic
        self._written: dict[tuple[UUID, str], float] = {}

    def is_due(self, account_id: UUID, profile: str, *, interval: float) -> bool:
        """Whether a sign of this gateway is to be written now; then it is not for an interval."""
        now, place = self._monotonic(), (account_id, profile)
        if not self._is_simulated and now - self._written.get(place, float("-inf")) < interval:
            return False
        if len(self._written) >= PROFILES_MOST:
            self._written.clear()
        self._written[place] = now
        return True


async def answered(attempt: Attempt, signs: Signs, profile: str) -> None:
    """A delivery was answered, which is a sign of life; never in its way, since the next answer says the same."""
    account_id = attempt.claim.account_id
    interval = attempt.database.controls.limit(account_id, GATEWAY_INTERVAL)
    if not signs.is_due(account_id, profile, interval=interval):
        return
    try:
        async with attempt.database.transaction(account_id, origin=attempt.origin) as tx:
            await heard(tx, profile, interval=interval)
    except PASSING as error:
        log.info("gateway_sign_not_written", profile=profile, error=type(error).__name__)


async def heard(tx: Transaction, profile: str, *, interval: int) -> None:
    """Note a sign of life; that one is back people are told."""
    row = await tx.row(queries.HEARD, tx.account_id, profile, interval, float(SIGNS * interval))
    await _tell_of_change(tx, row)


async def missed(tx: Transaction, profile: str, error: str, *, interval: int) -> None:
    """Note that one does not answer; that its lease ran out people are told."""
    row = await tx.row(queries.MISSED, tx.account_id, profile, interval, float(SIGNS * interval), error[:ERROR_MOST])
    await _tell_of_change(tx, row, error=error[:ERROR_MOST])


async def _tell_of_change(tx: Transaction, row: Any, *, error: str | None = None) -> None:
    if row is None or row["state"] == row["before"]:
        return
    state = PresenceState(row["state"])
    payload = {"name": row["name"], "error": error}
    entity = ("executor_profile", row["id"])
    event_id = events.record(tx, f"delivery:gateway:{state}", entity=entity, sequence=row["version"], actor=None, payload=payload)
    if state is PresenceState.ONLINE:
        await _go_on(tx, row["id"])
    await tx.tell(GatewayChanged(profile_id=row["id"], name=row["name"], state=state, event_id=event_id))


async def _go_on(tx: Transaction, profile_id: UUID) -> None:
    """What waits for a gateway that is back waits no longer; its limits still bound how much goes out at once."""
    waiting = await tx.rows(queries.PUT_OFF, tx.account_id, profile_id)
    if waiting:
        # Several may be back in one transaction, and a write happens once in a statement.
        await tx.flush()
        hurrying.hurry(tx, [row["id"] for row in waiting])
        await tx.flush()
