"""Agents that wait for work: they hold no connection, a wake-up or a shared safety query makes them look again."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec

from app.agentapi import service
from app.agentapi.schemas import WAIT_MOST, Next, WorkView
from app.agents import liveness, sessions
from app.events.pulses import Pulses
from app.kernel.db import Database
from app.kernel.types import Origin, Principal
from app.kernel.waits import leaving, set_within
from app.kernel.wake import BOARD, EVERYTHING, IDENTITY, Wakes


class Waiting:
    """The agents of one process that wait: a notification wakes its recipient, a change of the account's log is the safety."""

    def __init__(self, pulses: Pulses, *, wakes: Wakes) -> None:
        self._agents: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._accounts: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._who: dict[asyncio.Event, tuple[UUID, UUID]] = {}
        wakes.on_heard(self._heard)
        wakes.on_lost(self._everybody)
        pulses.follow(lambda: self._accounts, self._moved)

    @contextmanager
    def place(self, account_id: UUID, agent_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when there may be something new for the agent."""
        event = asyncio.Event()
        self._agents[str(agent_id)].add(event)
        self._accounts[account_id].add(event)
        self._who[event] = (account_id, agent_id)
        try:
            yield event
        finally:
            del self._who[event]
            _left(self._agents, str(agent_id), event)
            _left(self._accounts, account_id, event)

    def present(self) -> set[tuple[UUID, UUID]]:
        """Account and agent of everyone who waits."""
        return set(self._who.values())

    def _heard(self, channel: str, subjects: frozenset[str]) -> None:
        if channel not in (BOARD, IDENTITY):
            return
        if EVERYTHING in subjects:
            self._everybody()
            return
        for subject in subjects:
            # Whoever waits in an account whose tokens or agents changed is asked for its token again.
            places = self._agents.get(subject, ()) if channel == BOARD else self._accounts.get(UUID(subject), ())
            for event in places:
                event.set()

    def _everybody(self) -> None:
        for events in self._accounts.values():
            for event in events:
                event.set()

    def _moved(self, account_id: UUID) -> None:
        for event in self._accounts.get(account_id, ()):
            event.set()


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Who waits; `again` answers the caller anew or raises when it is no longer let in, `gone` ends when its client goes away."""

    principal: Principal
    origin: Origin
    again: Callable[[], Awaitable[Principal]]
    gone: Callable[[], Awaitable[None]]
    session_key: str | None = None


async def awaited(
    database: Database, waiting: Waiting, watch: Watch, asked: Next, *, is_news: Callable[[WorkView | None], bool] = bool
) -> WorkView | None:
    """Look, and look again after each wake-up until the time is over; nothing is held while waiting."""
    clock = asyncio.get_running_loop().time
    until = clock() + min(asked.wait, WAIT_MOST)
    acks, interval, principal = asked.ack, asked.interval_seconds, watch.principal
    with waiting.place(principal.account_id, principal.id) as woken, leaving(watch.gone, woken) as has_left:
        while True:
            woken.clear()
            found = await _looked(database, watch, principal, acks, interval=interval)
            acks, interval = [], None
            left = until - clock()
            if (found is not None and is_news(found)) or left <= 0:
                return found
            # To look for a client that went away would take a notification from the call that it makes next.
            if not await set_within(woken, left) or has_left():
                return found
            # The token may have been revoked, or its agent retired, while it waited.
            principal = await watch.again()


async def _looked(
    database: Database, watch: Watch, principal: Principal, acks: list[UUID], *, interval: int | None
) -> WorkView | None:
    async with database.transaction(principal.account_id, origin=watch.origin) as tx:
        caller = await sessions.continued(tx, principal, watch.session_key)
        liveness.promise(tx, caller, interval)
        return await service.work(tx, caller, acks=acks)


def _left(places: dict[Any, set[asyncio.Event]], key: Any, event: asyncio.Event) -> None:
    places[key].discard(event)
    if not places[key]:
        del places[key]
