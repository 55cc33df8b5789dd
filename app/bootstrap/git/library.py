"""GitPython, imported where git is run and not before; a machine without git can import it too."""

import os

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from git.cmd import Git as Command

__all__ = ["Command"]
