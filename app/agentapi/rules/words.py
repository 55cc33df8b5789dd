"""The words of an answer: names in a sentence, and numbers that agree with their verbs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from app.agentapi.types import Who

NAMES_MOST = 3
A_PERSON = "a person"


def listed(names: Sequence[str], *, joint: str = "and") -> str:
    """The names as a sentence has them."""
    shown = [*names[: NAMES_MOST - 1], f"{len(names) - NAMES_MOST + 1} others"] if len(names) > NAMES_MOST else list(names)
    *first, last = shown or ["nobody"]
    return f"{', '.join(first)} {joint} {last}" if first else last


def any_of(who: Sequence[Who]) -> str:
    """Agents by name; people are many, and any of them will do."""
    names = [one.slug for one in who if one.slug is not None]
    if any(one.email is not None for one in who):
        names.append(A_PERSON)
    return listed(names, joint="or")


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def tasks(number: int) -> str:
    return "a task" if number == 1 else f"{number} tasks"


def have(number: int) -> str:
    return "has" if number == 1 else "have"


def hold(number: int) -> str:
    return "holds" if number == 1 else "hold"


def be(number: int) -> str:
    return "is" if number == 1 else "are"


def lack(number: int) -> str:
    return "lacks" if number == 1 else "lack"
