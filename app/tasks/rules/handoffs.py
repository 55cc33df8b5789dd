"""How much of what was handed over fits into an answer."""

from collections.abc import Mapping, Sequence
from typing import Any

LINES = ("unmet", "open_questions", "decisions", "artifacts", "tried")
PARTS = ("summary", *LINES)


def size(content: Mapping[str, Any]) -> int:
    """The characters of all parts."""
    return len(content.get("summary", "")) + sum(len(line) for part in LINES for line in content.get(part, ()))


def within(contents: Sequence[Mapping[str, Any]], limit: int) -> list[tuple[dict[str, Any], bool]]:
    """The contents, newest first, cut so that all of them together have at most `limit` characters; True marks a cut one.

    The newer is served before the older, the summary before the lines, and a line is whole or not there.
    """
    found = []
    for content in contents:
        fitting = _fitting(content, limit)
        limit -= size(fitting)
        found.append((fitting, size(fitting) < size(content)))
    return found


def _fitting(content: Mapping[str, Any], limit: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if summary := content.get("summary", "")[:limit]:
        found["summary"] = summary
        limit -= len(summary)
    for part in LINES:
        kept = []
        for line in content.get(part, ()):
            if len(line) > limit:
                break
            kept.append(line)
            limit -= len(line)
        if kept:
            found[part] = kept
    return found
