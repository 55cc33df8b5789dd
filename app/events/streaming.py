"""Streams of the log: they hold no connection while they wait, and read on only when their client has taken what was sent."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec

from app.events import reading
from app.events.pulses import Pulses
from app.events.types import Stretch, Wanted
from app.kernel.db import Database
from app.kernel.errors import Forbidden, Overloaded, Unauthenticated, Unavailable
from app.kernel.types import Origin, Principal
from app.kernel.waits import leaving, set_within
from app.kernel.wake import BOARD, EVERYTHING, IDENTITY, Wakes

RETRY = b"retry: 2000\n"
KEEP_ALIVE = b": keep-alive\n\n"
AGAIN_SECONDS = 2.0

Key = tuple[UUID, int, Wanted]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many streams a process has, after which silence each says that it lives, and how long a client may take nothing."""

    most: int = 1000
    keep_alive_seconds: float = 10.0
    stall_seconds: float = 30.0


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Who follows; `again` raises when the caller is no longer let in, `gone` ends with the client, `put` when it took all."""

    principal: Principal
    origin: Origin
    wanted: Wanted
    again: Callable[[], Awaitable[Principal]]
    gone: Callable[[], Awaitable[None]]
    put: Callable[[bytes], Awaitable[None]]


class Streams:
    """The streams of one process: a change of an account's log, or of its tokens, makes those of the account look again."""

    def __init__(self, pulses: Pulses, *, wakes: Wakes, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.is_stopping = False
        self._accounts: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._asked: dict[Key, asyncio.Task[Stretch]] = {}
        self._open = 0
        wakes.on_heard(self._heard)
        wakes.on_lost(self._everybody)
        pulses.follow(lambda: self._accounts, self._moved)

    @contextmanager
    def place(self, account_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when there may be something new in the account; Overloaded when there is no place."""
        if self.is_stopping or self._open >= self.limits.most:
            raise Overloaded("this process serves as many event streams as it can; try again")
        event = asyncio.Event()
        self._open += 1
        self._accounts[account_id].add(event)
        try:
            yield event
        finally:
            self._open -= 1
            self._accounts[account_id].discard(event)
            if not self._accounts[account_id]:
                del self._accounts[account_id]

    def stop(self) -> None:
        """End all streams, and let no new one in."""
        self.is_stopping = True
        self._everybody()

    async def stretch(self, database: Database, reader: Reader, *, position: int) -> Stretch:
        """What lies behind `position`; those who ask for the same at the same time are answered by one read."""
        key = (reader.principal.account_id, position, reader.wanted)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._read(database, key, reader.origin))
        # Whoever leaves meanwhile takes nothing from the others.
        return await asyncio.shield(self._asked[key])

    async def _read(self, database: Database, key: Key, origin: Origin) -> Stretch:
        account_id, position, wanted = key
        try:
            async with database.transaction(account_id, origin=origin) as tx:
                # From here on it may miss what commits now: who is woken by that asks anew.
                self._close(key)
                return await reading.stretch(tx, wanted, position=position)
        finally:
            self._close(key)

    def _close(self, key: Key) -> None:
        """Let nobody join this read any more; a later one may stand in its place by now."""
        if self._asked.get(key) is asyncio.current_task():
            del self._asked[key]

    def _heard(self, channel: str, subjects: frozenset[str]) -> None:
        if channel not in (BOARD, IDENTITY):
            return
        if EVERYTHING in subjects:
            self._everybody()
            return
        for subject in subjects:
            self._moved(UUID(subject))

    def _moved(self, account_id: UUID) -> None:
        for event in self._accounts.get(account_id, ()):
            event.set()

    def _everybody(self) -> None:
        for account_id in self._accounts:
            self._moved(account_id)


async def follow(streams: Streams, database: Database, reader: Reader, *, position: int, is_new: bool) -> None:
    """Put the events behind `position` until the client goes, is no longer let in, or the process stops."""
    clock = asyncio.get_running_loop().time
    silence = streams.limits.keep_alive_seconds
    with streams.place(reader.principal.account_id) as woken, leaving(reader.gone, woken) as has_left:
        # A client that came without a position resumes from here even if nothing happens before it is cut off.
        await reader.put(RETRY + (b"id: %d\n\n" % position if is_new else b"\n"))
        said = clock()
        while not has_left() and not streams.is_stopping:
            woken.clear()
            try:
                found = await _looked(streams, database, reader, position=position)
            except (Unauthenticated, Forbidden):
                return
            if found is not None:
                position = found.position
            if found is not None and found.frames:
                await reader.put(found.frames)
                said = clock()
            elif clock() - said >= silence:
                await reader.put(KEEP_ALIVE)
                said = clock()
            if found is None or not found.is_more:
                await set_within(woken, _pause(said + silence - clock(), is_reachable=found is not None))


async def _looked(streams: Streams, database: Database, reader: Reader, *, position: int) -> Stretch | None:
    """What is behind `position`, for a caller that is still let in; None while the database cannot say."""
    try:
        # The token may have been revoked since the last look.
        await reader.again()
        return await streams.stretch(database, reader, position=position)
    except (Overloaded, Unavailable):
        return None


def _pause(left: float, *, is_reachable: bool) -> float:
    return max(0.0, left if is_reachable else min(left, AGAIN_SECONDS * random.uniform(0.5, 1)))  # noqa: S311
