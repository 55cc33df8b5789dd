"""The guard that keeps agents from putting on the board what is on it already."""

from app.kernel.errors import PossibleDuplicate
from app.kernel.types import ActorKind, Principal
from app.tasks.types import Scene

# Trigrams in common, of those in either title. Wordings of one thing lie above it ("Fix login page", "Fix the login page":
# 0.79), tasks of one pattern about different things around or below it ("Write tests for the parser", "… the renderer": 0.59).
CLOSE = 0.6


def guarded(principal: Principal, title: str, *, because: str | None) -> str | None:
    """The title to compare with those of open tasks, before the task is made; people know what they do."""
    return title if principal.kind is ActorKind.AGENT and because is None else None


def refuse(scene: Scene) -> None:
    """Raise PossibleDuplicate when an open task has a title like the one that was to be compared."""
    if not scene.duplicates:
        return
    words = "an open task has nearly this title: work with that one, or say `not_duplicate_because` and create it all the same"
    raise PossibleDuplicate(words, candidates=scene.duplicates)
