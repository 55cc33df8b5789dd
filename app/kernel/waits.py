"""What calls that wait share: they end with their client, and a wake-up or a time makes them look again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


@contextmanager
def leaving(gone: Callable[[], Awaitable[None]], woken: asyncio.Event) -> Iterator[Callable[[], bool]]:
    """Wake the waiter when its client goes away; what is given says whether it has."""
    watching = asyncio.ensure_future(gone())

    def notice(done: asyncio.Future[None]) -> None:
        # A connection that breaks is a client that has gone.
        if not done.cancelled():
            done.exception()
        woken.set()

    watching.add_done_callback(notice)
    try:
        yield watching.done
    finally:
        watching.cancel()


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
