"""Waking readers: NOTIFY after commit, coalesced on one direct connection, heard by every process."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

WORK = "callboard_work"
BOARD = "callboard_board"
IDENTITY = "callboard_identity"
CONTROL = "callboard_control"
CHANNELS = (WORK, BOARD, IDENTITY, CONTROL)
EVERYTHING = "*"
COALESCE_SECONDS = 0.005
PAYLOAD_LIMIT = 7_500
RECONNECT_SECONDS = 1.0
DRAIN_STEPS = 20
NOTIFY = "SELECT pg_notify(n.channel, n.payload) FROM unnest($1::text[], $2::text[]) AS n (channel, payload)"

Heard = Callable[[str, frozenset[str]], None]
log = structlog.get_logger()


class Wakes:
    """Sends and hears wake-ups; a lost one costs latency only, because readers also poll."""

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        self._connect = connect
        self._waiting: dict[str, set[str]] = defaultdict(set)
        self._later: set[tuple[str, str]] = set()
        self._due = asyncio.Event()
        self._hearers: list[Heard] = []
        self._lost: list[Callable[[], None]] = []
        self.is_connected = False

    def send(self, channel: str, subject: str) -> None:
        self._waiting[channel].add(subject)
        self._due.set()

    def send_within(self, channel: str, subject: str, *, seconds: float) -> None:
        """The same a little later, together with what else is to be sent by then: each sending wakes every process."""
        if (channel, subject) not in self._later:
            self._later.add((channel, subject))
            asyncio.get_running_loop().call_later(seconds, self._send_now, channel, subject)

    def _send_now(self, channel: str, subject: str) -> None:
        self._later.discard((channel, subject))
        self.send(channel, subject)

    def on_heard(self, hear: Heard) -> None:
        self._hearers.append(hear)

    def on_lost(self, lost: Callable[[], None]) -> None:
        """Call `lost` whenever the listening connection breaks, since wake-ups may have been missed."""
        self._lost.append(lost)

    async def drain(self) -> None:
        """Give what is waiting a moment to be sent."""
        for channel, subject in list(self._later):
            self._send_now(channel, subject)
        for _ in range(DRAIN_STEPS):
            if not self._waiting or not self.is_connected:
                return
            await asyncio.sleep(COALESCE_SECONDS)

    async def run(self) -> None:
        """Keep one connection that listens and notifies, for as long as the process lives."""
        while True:
            connection = None
            try:
                connection = await self._connect()
                await self._serve(connection)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 whatever broke the connection, a new one is the cure
                log.warning("wake_connection_lost", error=type(error).__name__)
            finally:
                self.is_connected = False
                if connection is not None:
                    with contextlib.suppress(Exception):
                        connection.terminate()
            for lost in self._lost:
                lost()
            await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1))  # noqa: S311

    async def _serve(self, connection: Any) -> None:
        broken = asyncio.Event()
        connection.add_termination_listener(lambda _: broken.set())
        for channel in CHANNELS:
            await connection.add_listener(channel, self._hear)
        self.is_connected = True
        # What was written while nobody listened.
        for channel in CHANNELS:
            self._tell(channel, frozenset((EVERYTHING,)))
        clock = asyncio.get_running_loop().time
        sent = clock() - COALESCE_SECONDS
        while not broken.is_set():
            await _first(self._due.wait(), broken.wait())
            if self._due.is_set():
                # The first goes at once; those that follow it closely go together.
                await asyncio.sleep(max(0.0, sent + COALESCE_SECONDS - clock()))
                self._due.clear()
                await self._flush(connection)
                sent = clock()
        raise ConnectionError("the listening connection ended")

    async def _flush(self, connection: Any) -> None:
        waiting, self._waiting = self._waiting, defaultdict(set)
        texts = {channel: ",".join(sorted(subjects)) for channel, subjects in waiting.items()}
        payloads = [text if len(text) < PAYLOAD_LIMIT else EVERYTHING for text in texts.values()]
        # One transaction, so that every listener wakes once.
        await connection.execute(NOTIFY, list(texts), payloads, timeout=5)

    def _hear(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._tell(channel, frozenset(str(payload).split(",")))

    def _tell(self, channel: str, subjects: frozenset[str]) -> None:
        for hear in self._hearers:
            hear(channel, subjects)


async def _first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
