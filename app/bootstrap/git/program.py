"""Running git: which program, with what environment, and what its words mean when it fails."""

import shutil
from functools import cached_property

from app.bootstrap.types.vcs import GitError, Trouble
from app.kernel.settings import Settings

ADVICE = "git is not installed: install it, and what is to be done is tried again"


class Git:
    """Git with the settings of this process; credentials are found by origin and handed over by an askpass program alone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def program(self) -> str | None:
        """Where git is, None on a machine without it."""
        return shutil.which("git")

    def require(self) -> str:
        """The program, or GitError."""
        if self.program is None:
            raise GitError(Trouble.NO_GIT, ADVICE)
        return self.program
