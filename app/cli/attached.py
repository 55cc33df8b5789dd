"""A child's tie to the `up` that started it."""

import os
import signal
import threading
import time

# What a process may still need to close after its own drain.
CLOSING_SECONDS = 3.0


def end_with_parent(*, seconds: float) -> None:
    """Stop this process once standard input closes, and after `seconds` its whole group."""
    threading.Thread(target=_watch, args=(seconds,), daemon=True).start()


def _watch(seconds: float) -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    os.killpg(os.getpgrp(), signal.SIGKILL)
