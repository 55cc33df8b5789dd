"""A board to talk to, for commands that need one."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from app.cli.address import board_url
from app.kernel import datadir
from app.kernel.settings import ROOT, Settings
from app.kernel.startup import CannotStart

START_SECONDS = 180.0


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """The address of the running board; without one, a board is started and stopped again at the end."""
    held = datadir.holder(settings.data_dir)
    if held:
        _wait(held.url, None)
        yield held.url
        return
    # Its announcements would mix with the output of the command that needs it.
    arguments = [sys.executable, "-P", "-m", "app", "up", "--attached"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=sys.stderr, start_new_session=True, cwd=ROOT)
    try:
        _wait(board_url(settings), process)
        yield board_url(settings)
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process and process.poll() is not None:
            raise CannotStart("the board did not start; the reason is above")
        try:
            if httpx.get(f"{url}/ready", trust_env=False, timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise CannotStart(f"the board at {url} is not ready after {START_SECONDS:.0f} seconds")
