"""Running git: which program, with whose settings, and where it keeps what only one call needs."""

import shutil
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from app.bootstrap.types.vcs import GitError, Trouble
from app.kernel.settings import Settings

ADVICE = "git is not installed: install it, and what is to be done is tried again"
PRIVATE = 0o700


class Limits(NamedTuple):
    """How many seconds each may take."""

    asking: float = 60.0
    fetching: float = 1_800.0
    pushing: float = 600.0
    local: float = 300.0
    waiting: float = 30.0


class Git:
    """Git with the settings of this process; credentials are handed over by an askpass program alone."""

    def __init__(self, settings: Settings, *, limits: Limits | None = None) -> None:
        self.settings = settings
        self.limits = limits or Limits()

    @property
    def program(self) -> str | None:
        """Where git is, None on a machine without it."""
        return shutil.which("git")

    def require(self) -> str:
        """The program, or GitError."""
        if self.program is None:
            raise GitError(Trouble.NO_GIT, ADVICE)
        return self.program

    @cached_property
    def private(self) -> Path:
        """The directory of the board's own that holds what no agent may read or change."""
        return self._made("git")

    @cached_property
    def home(self) -> Path:
        """The empty home of every git."""
        return self._made("git/home")

    @cached_property
    def worktrees(self) -> Path:
        return (self.settings.worktrees_dir or self.settings.data_dir / "worktrees").absolute()

    def _made(self, name: str) -> Path:
        path = (self.settings.data_dir / name).absolute()
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        return path
