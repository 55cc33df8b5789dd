"""Git that works on files alone: through GitPython, in a thread, with an environment of its own and a limit for all it does."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import structlog

from app.bootstrap.git import environment, words
from app.bootstrap.git.program import Git
from app.bootstrap.types.vcs import GitError, Trouble
from app.kernel import threads

P = ParamSpec("P")
T = TypeVar("T")
MOST_OUTPUT = 64 << 20
MOST_ERRORS = 65_536
OWN: Mapping[str, str] = {}

log = structlog.get_logger()


class Ran(NamedTuple):
    code: int
    output: bytes
    errors: bytes
    is_cut: bool = False

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace").strip()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run it in a thread, to its end; what the disk refuses is a GitError."""
    try:
        return await threads.in_thread(function, *args, **kwargs)
    except OSError as error:
        raise words.error(words.trouble_of(error)) from None


class Local:
    """Runs git in one environment; blocking, so call it in a thread.

    `holding` are open files that each git keeps, such as a lock that must outlast this process while git still works.
    """

    def __init__(
        self, git: Git, variables: Mapping[str, str], *, directory: Path | None = None, holding: Sequence[int] = ()
    ) -> None:
        self._git = git
        self._words = [git.require(), *environment.OPTIONS]
        self._variables = environment.local(git.home) | dict(variables)
        self._directory = directory or git.home
        self._holding = tuple(holding)

    def __call__(
        self, *asked: str | Path, given: bytes = b"", most: int = MOST_OUTPUT, variables: Mapping[str, str] = OWN
    ) -> Ran:
        """What git answers if it ends well, else GitError."""
        ran = self.attempt(*asked, given=given, most=most, variables=variables)
        if ran.code and not ran.is_cut:
            trouble = words.trouble_in(ran.errors)
            log.warning("git.failed", step=str(asked[0]), code=ran.code, said=words.shown(ran.errors))
            raise words.killed() if ran.code < 0 else words.error(trouble)
        return ran

    def attempt(self, *asked: str | Path, given: bytes = b"", most: int = MOST_OUTPUT, variables: Mapping[str, str] = OWN) -> Ran:
        """The same, with an exit code to look at."""
        # GitPython hands on this whole process's environment, and `env` drops it; no secret is among these words.
        kept = [f"{name}={value}" for name, value in (self._variables | dict(variables)).items()]
        command = [_env(), "-i", *kept, *self._words, *map(str, asked)]
        with tempfile.TemporaryFile() as entry:
            entry.write(given)
            entry.seek(0)
            return _ended(self._started(command, entry), seconds=self._git.limits.local, most=most)

    def _started(self, command: list[str], entry: Any) -> Any:
        from app.bootstrap.git.library import Command  # noqa: PLC0415 only those who run git need it

        try:
            return Command(self._directory).execute(
                command, istream=entry, as_process=True, pass_fds=self._holding, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise GitError(Trouble.BROKEN, f"git cannot be started ({type(error).__name__})") from None


def _env() -> str:
    return shutil.which("env") or "/usr/bin/env"


def _ended(process: Any, *, seconds: float, most: int) -> Ran:
    """Read to the end or the limit, while another thread reads what is said beside it."""
    said, late = bytearray(), threading.Event()
    beside = threading.Thread(target=_drain, args=(process.stderr, said), daemon=True)
    watch = threading.Timer(seconds, _kill, args=(process.proc, late))
    watch.daemon = True
    beside.start()
    watch.start()
    try:
        output = process.stdout.read(most + 1)
        if is_cut := len(output) > most:
            _kill(process.proc, None)
        code = process.proc.wait()
        beside.join()
    finally:
        watch.cancel()
        process.stdout.close()
        process.stderr.close()
    if late.is_set():
        raise words.error(Trouble.TIMEOUT)
    return Ran(code, output[:most], bytes(said), is_cut)


def _drain(stream: Any, kept: bytearray) -> None:
    while chunk := stream.read(8_192):
        kept += chunk[: MOST_ERRORS - len(kept)]


def _kill(process: "subprocess.Popen[bytes]", late: threading.Event | None) -> None:
    if late is not None:
        late.set()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
