"""What start-gateway.sh leaves to Python: `claim` the state directory, `run` the gateway, `probe` its port."""

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from common import NOT_THERE, CannotStart, say, seconds, state
from configuration import LOOK_SECONDS, Configuration
from locks import began, clear_locks

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Gateway:
    """The process of GATEWAY_COMMAND: signals go to it, its exit code comes back."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._reload = os.environ["GATEWAY_RELOAD"]
        self._deadline: float | None = None
        self._is_ending = False
        self._heard, writer = socket.socketpair()
        self._heard.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._writer = writer
        for number in (*FORWARDED, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Its own session: a terminal's Ctrl-C reaches it once, through here.
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {os.environ['GATEWAY_COMMAND']}"],
            env={**os.environ, "GATEWAY_CONFIG": str(self._configuration.path)},
            start_new_session=True,
        )
        state("gateway.pid").write_text(f"{process.pid} {began(process.pid)}\n")
        return process

    def run(self) -> int:
        """Its exit code, once it ended by itself or was asked to."""
        while True:
            for number in self._signals():
                self._forward(number)
            code = self._process.poll()
            if code is not None and (self._is_ending or self._deadline is None):
                state("gateway.pid").unlink(missing_ok=True)
                return 128 - code if code < 0 else code
            if code is not None:
                self._deadline = None
                self._process = self._start()
            elif self._deadline is not None and time.monotonic() > self._deadline:
                os.killpg(self._process.pid, signal.SIGKILL)
            elif self._reload != "off" and self._deadline is None and self._configuration.has_changed():
                self._take_up()

    def _signals(self) -> Iterator[signal.Signals]:
        patience = LOOK_SECONDS if self._reload != "off" else None
        if select.select([self._heard], [], [], patience)[0]:
            with suppress(BlockingIOError):
                yield from map(signal.Signals, self._heard.recv(4096))

    def _forward(self, number: signal.Signals) -> None:
        if number not in FORWARDED:
            return
        self._is_ending = self._is_ending or number in ENDING
        self._process.send_signal(number)

    def _take_up(self) -> None:
        """Let the gateway take up its new configuration, as gently as the operator wants."""
        if self._reload == "signal":
            say("the configuration changed; the gateway is told by SIGHUP.")
            self._process.send_signal(signal.SIGHUP)
        elif self._reload == "restart":
            drain = seconds("GATEWAY_DRAIN_SECONDS")
            say(f"the configuration changed; the gateway is started anew and has {drain} s to end what runs.")
            self._deadline = time.monotonic() + drain
            self._process.send_signal(signal.SIGTERM)


def claim() -> int:
    """Take the lock on descriptor 9 for the shell that shares it; 1 if a gateway runs already."""
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 1
    with suppress(OSError, ValueError):
        # Its starter may have been killed and it not.
        pid, _, at = state("gateway.pid").read_text().strip().partition(" ")
        return int(bool(at) and began(int(pid)) == at)
    return 0


def run() -> int:
    configuration = Configuration()
    configuration.first(seconds("GATEWAY_WAIT_SECONDS"))
    clear_locks()
    return Gateway(configuration).run()


def probe() -> int:
    """Whether something listens on the gateway's port."""
    with socket.create_connection(("127.0.0.1", int(os.environ.get("GATEWAY_PORT") or 8080)), timeout=4):
        return 0


if __name__ == "__main__":
    COMMANDS: dict[str, Callable[[], int]] = {"claim": claim, "run": run, "probe": probe}
    try:
        sys.exit(COMMANDS[sys.argv[1]]())
    except CannotStart as problem:
        say(str(problem))
        sys.exit(problem.code)
    except OSError as problem:
        say(f"{problem.filename or 'the gateway'}: {problem.strerror or problem}")
        sys.exit(NOT_THERE)
