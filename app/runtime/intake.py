"""Which commands a worker claims next: lanes and priority classes share its free slots."""

from collections import Counter
from typing import Any
from uuid import UUID

from app.runtime import ledger
from app.runtime.ledger import LARGEST_BATCH
from app.runtime.queries import ledger as queries
from app.runtime.rules.sharing import PRIORITY_WEIGHTS, share_of_lanes, shares
from app.runtime.types import Claim


class Intake:
    """Remembers where the last claim found all it asked for, so that the idle ask once and the busy ask there."""

    def __init__(self, pool: Any, worker_id: UUID) -> None:
        self._pool = pool
        self._id = worker_id
        self._turn = 0
        self._active: frozenset[int] = frozenset()
        self._are_lanes_active = False

    @property
    def may_have_more(self) -> bool:
        return bool(self._active) or self._are_lanes_active

    async def claim(self, free: int) -> list[Claim]:
        """Claim at most `free` commands."""
        if not self.may_have_more and not await self._look():
            return []
        free = min(free, LARGEST_BATCH)
        self._turn += 1
        for_lanes = share_of_lanes(free, lanes=self._are_lanes_active, commands=bool(self._active), turn=self._turn)
        claims = await self._claim_lanes(for_lanes) if for_lanes else []
        return claims + (await self._claim_commands(free - for_lanes) if free > for_lanes else [])

    async def _look(self) -> bool:
        where = await self._pool.fetchrow(queries.WHERE_IS_WORK, list(PRIORITY_WEIGHTS))
        self._active, self._are_lanes_active = frozenset(where["prios"]), where["is_in_lanes"]
        return self.may_have_more

    async def _claim_lanes(self, wanted: int) -> list[Claim]:
        claims = await ledger.claim_lanes(self._pool, self._id, wanted=wanted)
        self._are_lanes_active = len(claims) == wanted
        return claims

    async def _claim_commands(self, free: int) -> list[Claim]:
        wanted = shares(free, active=self._active, turn=self._turn)
        found = await ledger.claim_commands(self._pool, self._id, wanted=wanted)
        counts = Counter(prio for _, prio in found)
        full = {prio for prio, most in wanted.items() if 0 < most <= counts[prio]}
        self._active = frozenset(full | {prio for prio in self._active if not wanted[prio]})
        return [claim for claim, _ in found]
