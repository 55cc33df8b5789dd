"""Taking away what is no longer kept: small transactions, one after the other, until nothing is left to take."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction
from app.runtime.handlers import Attempt
from app.runtime.queries import retention as queries
from app.runtime.rules.schedules import Timing
from app.runtime.rules.settings import SETTINGS, meant
from app.runtime.service import Order, enqueue
from app.runtime.standing import Standing
from app.runtime.taxonomy import tick

RETENTION = "runtime.retention"
STANDING = Standing(name="retention", command_type=RETENTION, times=Timing(cron="0 3 * * *", jitter_seconds=3600))
MOST_ROWS = 500
MOST_FOUND = 20_000
# What is left then is for another command, long before the time of this one is over.
LONGEST_RUN_SECONDS = 20.0

Step = Callable[[Transaction, int], Awaitable[int]]
_of_rooms: dict[str, Step] = {}


def add(name: str, step: Step) -> None:
    """Let retention also take `step`, which deletes at most so many rows and answers how many; 0 when none is left."""
    _of_rooms[name] = step


@tick(RETENTION, owner="runtime", profile="standard_async")
async def retain(attempt: Attempt) -> None:
    """Take away commands, dead letters, stored answers, memory, alerts and events that are no longer kept."""
    run = _Run(attempt)
    days = await run.read_days()
    await run.take("dead_letters", lambda tx, most: tx.value(queries.DELETE_LETTERS, tx.account_id, days["dead_letters"], most))
    await run.take_commands(days["commands"])
    await run.take("stored_answers", lambda tx, most: tx.value(queries.DELETE_ANSWERS, tx.account_id, most))
    await run.take("alerts", lambda tx, most: tx.value(queries.DELETE_ALERTS, tx.account_id, days["alerts"], most))
    await run.take("events", lambda tx, most: tx.value(queries.PRUNE_EVENTS, days["events"], most))
    for name, step in _of_rooms.items():
        await run.take(name, step)
    await run.finish()


class _Run:
    """One run: what it took, and how long it may go on."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._time = asyncio.get_running_loop().time
        self._began = self._time()
        self._taken: Counter[str] = Counter()

    @property
    def _is_over(self) -> bool:
        return self._time() - self._began > LONGEST_RUN_SECONDS

    async def read_days(self) -> Mapping[str, int]:
        """How many days each kind is kept."""
        async with self._attempt.transaction() as tx:
            stored = {row["name"]: msgspec.json.decode(row["value"]) for row in await tx.rows(queries.KEPT, tx.account_id)}
        names = ("commands", "dead_letters", "events", "alerts")
        settings = {name: SETTINGS[f"retention.{name}.days"] for name in names}
        return {name: int(meant(setting, stored.get(setting.name))) for name, setting in settings.items()}

    async def take(self, name: str, step: Step) -> None:
        """Repeat the step, each time in a transaction of its own, until it finds nothing."""
        self._taken[name] += 0
        while not self._is_over:
            async with self._attempt.transaction() as tx:
                taken = await step(tx, MOST_ROWS)
            if not taken:
                return
            self._taken[name] += taken

    async def take_commands(self, days: int) -> None:
        self._taken["commands"] += 0
        while not self._is_over:
            async with self._attempt.transaction() as tx:
                rows = await tx.rows(queries.EXPIRED_COMMANDS, tx.account_id, days, MOST_FOUND)
            taken = sum(
                [
                    await self._delete(days, [row["id"] for row in rows[at : at + MOST_ROWS]])
                    for at in range(0, len(rows), MOST_ROWS)
                ]
            )
            if not taken:
                return

    async def _delete(self, days: int, ids: list[UUID]) -> int:
        if self._is_over:
            return 0
        async with self._attempt.transaction() as tx:
            taken: int = await tx.value(queries.DELETE_COMMANDS, tx.account_id, days, ids)
        self._taken["commands"] += taken
        return taken

    async def finish(self) -> None:
        """Say what was taken; what is left is for a command that begins now."""
        is_complete = not self._is_over
        async with self._attempt.transaction() as tx:
            if not is_complete:
                enqueue(tx, Order(type=RETENTION, idempotency_key=f"{self._attempt.claim.id}:rest", payload={}), actor=None)
            seconds = round(self._time() - self._began, 3)
            self._attempt.finish(tx, {"deleted": dict(self._taken), "seconds": seconds, "is_complete": is_complete})
