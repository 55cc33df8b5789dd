"""Moving a simulated clock. While it waits it keeps no pooled connection and no transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from app.kernel.errors import Invalid, Overloaded
from app.kernel.transaction import Transaction
from app.runtime.queries import clock as queries
from app.runtime.rules.clock import Arrived, ClockFacts, MoveTo, step
from app.runtime.rules.sharing import PRIORITY_WEIGHTS
from app.runtime.schemas.clock import ClockMove, ClockMovedView, ClockView
from app.runtime.types import ClockMode, Queue

# In real seconds: how long one call may take, and how often it looks whether all is quiet.
LONGEST_CALL = 50.0
SHORTEST_LOOK, LONGEST_LOOK = 0.0005, 0.005
# What stood still for this share of a call is more than slow.
STANDSTILL = 0.1
GO_ON = "ask again with `to` to go on"
TURN_LOCK = 0x636C_6F63_6B
LATEST_YEAR = 9998


async def view(tx: Transaction) -> ClockView:
    row = await tx.row(queries.NEXT_DUE, tx.account_id, list(Queue))
    return ClockView(mode=ClockMode(row["mode"]), now=row["now"], next_due=row["due"])


class SimulatedClock:
    """The clock of this database as its operators move it; calls of all processes take turns."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], *, longest_call: float = LONGEST_CALL) -> None:
        self._connect = connect
        self._longest = longest_call

    async def advance(self, asked: ClockMove) -> ClockMovedView:
        """Move from one due instant to the next, each time waiting until what is due there is done."""
        async with self._turn() as turn:
            was, target = await turn.target(asked)
            steps, wait = 0, SHORTEST_LOOK
            while not isinstance(move := step(facts := await turn.facts(), target=target), Arrived):
                if turn.is_over:
                    break
                if isinstance(move, MoveTo):
                    await turn.move(move.at)
                    steps, wait = steps + 1, SHORTEST_LOOK
                await asyncio.sleep(wait)
                wait = min(wait * 1.5, LONGEST_LOOK)
            return _moved(facts, was=was, target=target, steps=steps, detail=turn.said_of(facts, target))

    async def jump(self, asked: ClockMove) -> ClockMovedView:
        """Set the time at once, as when a machine wakes from a long sleep; what was due meanwhile is late."""
        async with self._turn() as turn:
            was, target = await turn.target(asked)
            await turn.move(target)
            return _moved(await turn.facts(), was=was, target=target, steps=1, detail="")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator["_Turn"]:
        connection = await self._connect()
        try:
            turn = _Turn(connection, seconds=self._longest)
            await turn.take()
            yield turn
        finally:
            # The lock ends with its connection.
            connection.terminate()


class _Turn:
    """The right to move the clock, for a limited real time."""

    def __init__(self, connection: Any, *, seconds: float) -> None:
        self._connection = connection
        self._time = asyncio.get_running_loop().time
        self._seconds = seconds
        self._latest = self._time() + seconds
        self._moved = float("-inf")

    @property
    def is_over(self) -> bool:
        return self._time() > self._latest

    async def take(self) -> None:
        while not await self._connection.fetchval(queries.TAKE_TURN, TURN_LOCK):
            if self.is_over:
                raise Overloaded("another call is moving the clock; try again")
            await asyncio.sleep(LONGEST_LOOK)

    async def target(self, asked: ClockMove) -> tuple[datetime, datetime]:
        """Where the clock stands, and where it is to go."""
        now = await self._connection.fetchval(queries.NOW)
        target = asked.to if asked.to is not None else now + timedelta(seconds=asked.seconds or 0)
        if target < now:
            raise Invalid.field("to", f"the clock stands at {now.isoformat()} and never goes back")
        if target.year > LATEST_YEAR:
            raise Invalid.field("seconds", "that is beyond the calendar")
        return now, target

    async def facts(self) -> ClockFacts:
        row = await self._connection.fetchrow(queries.FACTS_EVERYWHERE, list(PRIORITY_WEIGHTS))
        return ClockFacts(now=row["now"], due=row["due"], is_running=row["is_running"])

    async def move(self, at: datetime) -> None:
        await self._connection.fetchrow(queries.MOVE, at)
        self._moved = self._time()

    def said_of(self, facts: ClockFacts, target: datetime) -> str:
        """Why the clock is not at the target yet."""
        if facts.is_quiet and facts.now >= target:
            return ""
        if facts.is_quiet or self._time() - self._moved < self._seconds * STANDSTILL:
            return f"the way was too long for one call; {GO_ON}"
        if facts.is_running:
            return f"a command is still running; {GO_ON}"
        return f"something is due and nobody has begun it, as if no worker ran; {GO_ON}"


def _moved(facts: ClockFacts, *, was: datetime, target: datetime, steps: int, detail: str) -> ClockMovedView:
    return ClockMovedView(
        mode=ClockMode.SIMULATED,
        was=was,
        now=facts.now,
        target=target,
        next_due=facts.due,
        steps=steps,
        is_complete=not detail,
        detail=detail,
    )
