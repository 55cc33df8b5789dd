"""Learning that this process is asked to stop while its server still waits for open calls to end."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def noticed(notice: Callable[[], None]) -> Iterator[None]:
    """Call `notice` in the running loop at each signal to stop; whoever handles the signal does so as before."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, frame: Any) -> None:
        # The loop may be closed by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(notice)
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is threading.main_thread():
        before = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}
    _installed(dict.fromkeys(before, handle))
    try:
        yield
    finally:
        _installed({number: handler for number, handler in before.items() if signal.getsignal(number) is handle})


def _installed(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
        # System calls of the server go on after the signal, as event loops want it.
        signal.siginterrupt(number, False)  # noqa: FBT003
