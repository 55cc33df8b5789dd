"""Which commands a worker claims next: lanes and priority classes share its free slots, and accounts take turns."""

from collections import Counter
from typing import Any
from uuid import UUID

from app.runtime import ledger
from app.runtime.ledger import LARGEST_BATCH, NOBODY
from app.runtime.queries import ledger as queries
from app.runtime.rules.sharing import PRIORITY_WEIGHTS, share_of_lanes, shares
from app.runtime.types import Claim


class Intake:
    """Remembers where the last claim found all it asked for, so that the idle ask once and the busy ask there.

    Where there is more than a claim takes, every other one takes from accounts in turn, so that a long queue of one account
    holds up no other.
    """

    def __init__(self, pool: Any, worker_id: UUID) -> None:
        self._pool = pool
        self._id = worker_id
        self._turn = 0
        self._active: frozenset[int] = frozenset()
        self._full: frozenset[int] = frozenset()
        self._claims_of: Counter[int] = Counter()
        self._after: dict[int, UUID] = {}
        self._are_lanes_active = False
        self._are_lanes_full = False
        self._claims_of_lanes = 0
        self._after_lanes = NOBODY

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
        self._claims_of_lanes += self._are_lanes_full
        if self._are_lanes_full and self._claims_of_lanes % 2 == 0:
            haul = await ledger.lease_lanes(self._pool, self._id, wanted=wanted, after=self._after_lanes)
            self._after_lanes = haul.last or NOBODY
            return haul.claims
        haul = await ledger.lease_lanes(self._pool, self._id, wanted=wanted)
        self._are_lanes_active = self._are_lanes_full = haul.moved == wanted
        return haul.claims

    async def _claim_commands(self, free: int) -> list[Claim]:
        wanted = shares(free, active=self._active, turn=self._turn)
        full = {prio for prio in self._full if wanted[prio]}
        self._claims_of.update(full)
        in_turn = {prio: wanted[prio] for prio in sorted(full) if self._claims_of[prio] % 2 == 0}
        rest = {prio: most for prio, most in wanted.items() if prio not in in_turn}
        claims = await self._claim_in_turn(in_turn) if in_turn else []
        return claims + (await self._claim_longest_due(rest) if any(rest.values()) else [])

    async def _claim_in_turn(self, wanted: dict[int, int]) -> list[Claim]:
        haul = await ledger.claim_in_turn(self._pool, self._id, wanted=wanted, after=self._after)
        self._after |= haul.last
        return [claim for claim, _ in haul.claims]

    async def _claim_longest_due(self, wanted: dict[int, int]) -> list[Claim]:
        haul = await ledger.claim_some(self._pool, self._id, wanted=wanted)
        asked = {prio for prio, most in wanted.items() if most}
        full = frozenset(prio for prio in asked if haul.found[prio] >= wanted[prio])
        self._full = full | (self._full - asked)
        self._active = full | (self._active - asked)
        return [claim for claim, _ in haul.claims]
