"""Keeps what this process counts where every process can read it, so that one scrape answers for all of them."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.kernel.ids import new_id
from app.observability import queries
from app.observability.metrics import Family, families, merged

PUBLISH_SECONDS = 2.0
# An unchanged row is renewed every so many turns; one that is not for a minute belongs to a process that is gone.
RENEW_EVERY = 10
THE_GONE = UUID(int=0)
log = structlog.get_logger()


class Publisher:
    """Writes this process's row each few seconds when something was counted, and gathers the rows of those who are gone."""

    def __init__(self, pool: Any, *, kind: str) -> None:
        self._pool = pool
        self._kind = kind
        self._id = new_id()
        self._last = b""
        self._turn = 0

    async def publish(self, *, always: bool = False) -> None:
        text = msgspec.json.encode(families())
        if text != self._last or always:
            about = (self._kind, socket.gethostname(), os.getpid())
            await self._pool.execute(queries.PUBLISH, self._id, *about, text.decode())
            self._last = text

    async def all(self) -> list[Family]:
        """The counts of all processes, this one's as they are now."""
        await self.publish()
        rows = await self._pool.fetch(queries.PUBLISHED)
        return merged(msgspec.json.decode(row["samples"], type=list[Family]) for row in rows)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            try:
                renews = self._turn % RENEW_EVERY == 0
                await self.publish(always=renews)
                if renews:
                    await self.gather_the_gone()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("metrics_not_published", error=type(error).__name__)
            self._turn += 1

    async def gather_the_gone(self, *ended: UUID) -> None:
        """Add what dead processes counted to one row, so that no counter ever goes back."""
        async with self._pool.acquire() as connection, connection.transaction():
            kept = await connection.fetchval(queries.LOCK_THE_GONE, THE_GONE)
            rows = await connection.fetch(queries.TAKE_THE_GONE, THE_GONE, list(ended))
            if rows:
                texts = [kept, *(row["samples"] for row in rows)]
                sums = merged((msgspec.json.decode(text, type=list[Family]) for text in texts), lasting_only=True)
                await connection.execute(queries.KEEP_THE_GONE, THE_GONE, msgspec.json.encode(sums).decode())

    async def end(self) -> None:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self.publish(always=True)
            await self.gather_the_gone(self._id)


@asynccontextmanager
async def published(pool: Any, *, kind: str) -> AsyncIterator[Publisher]:
    """Publish as long as the block lasts, and hand the counts over at its end."""
    publisher = Publisher(pool, kind=kind)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await publisher.end()
