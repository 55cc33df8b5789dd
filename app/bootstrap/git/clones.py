"""The clone of a repository: made if absent, resumed, brought up to date, put aside when its address changed."""

from app.bootstrap.git.program import Git
from app.bootstrap.types.vcs import Cloned, Place, Report


async def ensure(git: Git, place: Place, *, report: Report) -> Cloned:
    """Bring the clone to what the remote has, whatever an earlier call left behind; GitError when that cannot be done.

    One process at a time does so for one directory; others wait, or get GitError with `busy`.
    """
    raise NotImplementedError
