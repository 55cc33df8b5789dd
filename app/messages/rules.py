"""Whom a message calls: every `@slug` that is spoken, not quoted and not code. When somebody is asked again."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from app.messages.types import Earlier, Order, Suppression

SLUG_MOST = 63
STOP = "stop"
ORDERS = frozenset({STOP})
PATIENCE = timedelta(hours=4)

# No pattern here can match one place in two ways, so time grows with the length of the text alone.
_MENTION = re.compile(r"(?<![\w./@])@([A-Za-z0-9][A-Za-z0-9_-]*+)(?!\w)")
_FENCE = re.compile(r"\s*+(?:(?:[-*+]|\d{1,9}[.)])\s++)?(`{3,}+|~{3,}+)(.*)")
_TICKS = re.compile(r"`+")
# Four spaces would make it code.
_ORDER = re.compile(r" {0,3}/([A-Za-z]++)(?:\s(.*))?", re.DOTALL)
_ADDRESS = re.compile(r"://\S*")


def suppression(earlier: Earlier | None, *, now: datetime) -> Suppression | None:
    """Why nobody is asked again yet: an answer frees the way, and so does time since the request arrived or was made."""
    if earlier is None or earlier.is_answered:
        return None
    if now - (earlier.arrived_at or earlier.asked_at) >= PATIENCE:
        return None
    return Suppression.UNDELIVERED if earlier.arrived_at is None else Suppression.UNANSWERED


def order(content: str) -> Order | None:
    """The order that a whole message is: `/name` at its very start, with words behind it; any other name is a message."""
    found = _ORDER.fullmatch(content)
    if found is None or found[1].lower() not in ORDERS:
        return None
    return Order(name=found[1].lower(), words=(found[2] or "").strip())


def mentions(content: str) -> tuple[str, ...]:
    """The slugs called, lower-cased, each once, in the order of the first call."""
    slugs = (slug for paragraph in _paragraphs(content) for slug in _called(_spoken(paragraph)))
    return tuple(dict.fromkeys(slugs))


def _called(text: str) -> Iterator[str]:
    for found in _MENTION.finditer(_ADDRESS.sub(" ", text)):
        slug = found[1].rstrip("-").lower()
        if len(slug) <= SLUG_MOST:
            yield slug


def _paragraphs(content: str) -> Iterator[str]:
    """Runs of lines outside fenced blocks and quotes; a code span never reaches from one into the next."""
    lines: list[str] = []
    fence: str | None = None
    for line in content.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        inside, fence = fence is not None, _fence_after(line, fence)
        if inside or fence is not None or not line.strip() or line.lstrip().startswith(">"):
            yield "\n".join(lines)
            lines = []
        else:
            lines.append(line)
    yield "\n".join(lines)


def _fence_after(line: str, fence: str | None) -> str | None:
    """The fence that is open after this line, given the one open before it."""
    if fence is not None:
        bare = line.strip()
        closes = bare.startswith(fence) and not bare.strip(fence[0])
        return None if closes else fence
    found = _FENCE.match(line)
    # Three ticks with more ticks later in the line are a code span, not a block.
    if found is None or (found[1][0] == "`" and "`" in found[2]):
        return None
    return found[1]


def _spoken(paragraph: str) -> str:
    """The paragraph without code spans: a run of ticks closes at the next run of the same length."""
    runs = list(_TICKS.finditer(paragraph))
    # Walked backwards once, because looking ahead from every run would be quadratic.
    closing: list[int | None] = []
    latest: dict[int, int] = {}
    for index in range(len(runs) - 1, -1, -1):
        length = len(runs[index][0])
        closing.append(latest.get(length))
        latest[length] = index
    closing.reverse()
    kept, start, index = [], 0, 0
    while index < len(runs):
        end = closing[index]
        if end is None:
            index += 1
            continue
        kept.append(paragraph[start : runs[index].start()])
        start, index = runs[end].end(), end + 1
    return "`".join((*kept, paragraph[start:]))
