"""What this process reaches outside of its transactions: git, and the directories of clones, worktrees and workspaces."""

from functools import cached_property

from app.bootstrap.git.program import Git
from app.kernel.settings import Settings


class Outside:
    """Handed to errands and commands as `database.outside`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def git(self) -> Git:
        return Git(self.settings)
