"""What one process sees of the agents: whoever calls or waits is there, and is written down once in a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

import asyncpg
import structlog

from app.agents import liveness
from app.kernel.db import Database
from app.kernel.errors import CallboardError
from app.kernel.ids import new_id
from app.kernel.types import ActorKind, Origin, Principal

EVERY_SECONDS = 30.0
LOOK_SECONDS = 5.0
MOST = 10_000
Who = tuple[UUID, UUID]

log = structlog.get_logger()


class Presence:
    """At most one write for an agent in half a minute; `waiting` answers who has a call open.

    Where the database's time is simulated half a minute may be over at any moment, so there every call is written.
    """

    def __init__(
        self,
        database: Database,
        *,
        waiting: Callable[[], Iterable[Who]],
        is_simulated: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._waiting = waiting
        self._every = 0.0 if is_simulated else EVERY_SECONDS
        self._monotonic = monotonic
        self._seen: dict[Who, float] = {}
        self._written: dict[Who, float] = {}

    def watched(self, authenticate: Callable[[str], Awaitable[Principal]]) -> Callable[[str], Awaitable[Principal]]:
        """The same, but every agent that is let in was seen."""

        async def noticed(token: str) -> Principal:
            principal = await authenticate(token)
            if principal.kind is ActorKind.AGENT:
                await self._notice((principal.account_id, principal.id))
            return principal

        return noticed

    async def run(self) -> None:
        """Write down, a little later, what was seen too soon after the last time."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.catch_up()

    async def catch_up(self) -> None:
        for who in self._waiting():
            self._seen[who] = self._monotonic()
        for who in [who for who, seen in self._seen.items() if self._is_due(who) and seen > self._written.get(who, -1.0)]:
            await self._write(who, seconds_ago=self._monotonic() - self._seen[who])

    async def _notice(self, who: Who) -> None:
        if len(self._seen) >= MOST:
            self._seen.clear()
            self._written.clear()
        self._seen[who] = self._monotonic()
        if self._is_due(who):
            await self._write(who)

    def _is_due(self, who: Who) -> bool:
        written = self._written.get(who)
        return written is None or self._monotonic() - written >= self._every

    async def _write(self, who: Who, *, seconds_ago: float = 0.0) -> None:
        """Never in the way of the call: what the database refuses now it may take with the next sign."""
        call = new_id()
        self._written[who] = self._monotonic()
        origin = Origin(request_id=str(call), correlation_id=call.hex, source="presence")
        try:
            async with self._database.transaction(who[0], origin=origin) as tx:
                await liveness.seen(tx, who[1], seconds_ago=seconds_ago)
        except (CallboardError, asyncpg.PostgresError) as error:
            log.warning("presence_not_written", error=type(error).__name__)
