"""Which commands a worker claims next: lanes and priority classes share its free slots, and accounts take turns."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from app.runtime import ledger
from app.runtime.ledger import LARGEST_BATCH, NOBODY
from app.runtime.queries import ledger as queries
from app.runtime.rules.sharing import PRIORITY_WEIGHTS, share_of_lanes, shares
from app.runtime.types import Claim

# Claims between two that take turns: with others waiting, and with nobody else there.
SHORT_WAIT, LONG_WAIT = 1, 4


class Turns:
    """When a claim is to take from accounts in turn."""

    def __init__(self) -> None:
        self._wait = SHORT_WAIT
        self.is_lone = False

    def is_next(self) -> bool:
        self._wait -= 1
        return self._wait < 0

    def took(self, accounts: int) -> None:
        """A claim took from so many accounts; a lone one is not worth the look each time."""
        self.is_lone = accounts <= 1
        self._wait = LONG_WAIT if self.is_lone else SHORT_WAIT


class Intake:
    """Remembers where the last claim found all it asked for, so that the idle ask once and the busy ask there.

    Where there is more than a claim takes, every other one takes from accounts in turn, so that a long queue of one account
    holds up no other; while there is one account alone, every fifth one looks.
    """

    def __init__(self, pool: Any, worker_id: UUID) -> None:
        self._pool = pool
        self._id = worker_id
        self._turn = 0
        self._active: frozenset[int] = frozenset()
        self._full: frozenset[int] = frozenset()
        self._turns: defaultdict[object, Turns] = defaultdict(Turns)
        self._after: dict[int, UUID] = {}
        self._are_lanes_active = False
        self._are_lanes_full = False
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
        if not self._are_lanes_active and not await self._pool.fetchval(queries.IS_A_LANE_READY):
            return []
        turns = self._turns["lanes"]
        if self._are_lanes_full and turns.is_next():
            haul = await ledger.lease_lanes(self._pool, self._id, wanted=wanted, after=self._after_lanes)
            self._after_lanes = haul.last or NOBODY
            turns.took(haul.accounts)
            if haul.accounts > 1:
                return haul.claims
        haul = await ledger.lease_lanes(self._pool, self._id, wanted=wanted)
        self._are_lanes_active = self._are_lanes_full = haul.moved == wanted
        return haul.claims

    async def _claim_commands(self, free: int) -> list[Claim]:
        wanted = shares(free, active=self._active, turn=self._turn)
        full = sorted(prio for prio in self._full if wanted[prio])
        in_turn = {prio: wanted[prio] for prio in full if self._turns[prio].is_next()}
        if in_turn and all(self._turns[prio].is_lone for prio in in_turn) and await self._is_alone(in_turn):
            in_turn = {}
        claims, served = await self._claim_in_turn(in_turn) if in_turn else ([], set[int]())
        rest = {prio: most for prio, most in wanted.items() if prio not in served}
        # The quiet classes alone are not worth a second statement; the next claim looks there.
        is_worth_it = any(rest[prio] for prio in (self._active - served if served else wanted))
        return claims + (await self._claim_longest_due(rest) if is_worth_it else [])

    async def _is_alone(self, prios: Iterable[int]) -> bool:
        """Whether one account alone has something to do, as the last look found; then it needs no turns."""
        if await self._pool.fetchval(queries.ARE_SEVERAL):
            return False
        for prio in prios:
            self._turns[prio].took(1)
        return True

    async def _claim_in_turn(self, wanted: dict[int, int]) -> tuple[list[Claim], set[int]]:
        """Claims, and the classes that have had their turn."""
        haul = await ledger.claim_in_turn(self._pool, self._id, wanted=wanted, after=self._after)
        self._after |= haul.last
        for prio in wanted:
            self._turns[prio].took(haul.accounts.get(prio, 0))
        return [claim for claim, _ in haul.claims], {prio for prio, accounts in haul.accounts.items() if accounts > 1}

    async def _claim_longest_due(self, wanted: dict[int, int]) -> list[Claim]:
        haul = await ledger.claim_some(self._pool, self._id, wanted=wanted)
        asked = {prio for prio, most in wanted.items() if most}
        full = frozenset(prio for prio in asked if haul.found[prio] >= wanted[prio])
        self._full = full | (self._full - asked)
        self._active = full | (self._active - asked)
        return [claim for claim, _ in haul.claims]
