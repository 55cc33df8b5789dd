"""Claiming one command at a time in an order that only the ledger decides, for a clock that is simulated."""

import asyncio
from typing import Any
from uuid import UUID

from app.runtime import ledger
from app.runtime.queries import clock as queries
from app.runtime.rules.sharing import PRIORITY_WEIGHTS
from app.runtime.types import Claim

# In real seconds.
LONGEST_WAIT = 1.0
LOOK_SECONDS = 0.002


class OrderedIntake:
    """Lanes first, then the most urgent class; it remembers nothing, so the moment at which it looks makes no difference."""

    # The one slot is free again when the command has ended, and the worker looks then.
    may_have_more = False

    def __init__(self, pool: Any, worker_id: UUID) -> None:
        self._pool = pool
        self._id = worker_id

    async def claim(self, free: int) -> list[Claim]:
        """Claim at most one command."""
        if not free:
            return []
        due = await self._due()
        if due["is_in_lanes"] and (claims := await ledger.claim_lanes(self._pool, self._id, wanted=1)):
            return claims
        for prio in sorted(due["prios"]):
            if found := await ledger.claim_commands(self._pool, self._id, wanted={prio: 1}):
                return [claim for claim, _ in found]
        return []

    async def _due(self) -> Any:
        """Where work is, once schedules have started theirs; one that cannot is not waited for long."""
        clock = asyncio.get_running_loop().time
        latest = clock() + LONGEST_WAIT
        while True:
            row = await self._pool.fetchrow(queries.DUE_NOW, list(PRIORITY_WEIGHTS))
            if not row["is_ticking"] or clock() > latest:
                return row
            await asyncio.sleep(LOOK_SECONDS)
