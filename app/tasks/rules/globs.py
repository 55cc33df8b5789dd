"""Whether two patterns of files have a path in common: `*`, `?` and `[...]` stay within one step, `**` stands for any steps."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

STEPS_MOST = 25
_DEEP = "**"
_NEGATES = ("!", "^")
_LAST = "\U0010ffff"

_T = TypeVar("_T", bound="str | tuple[tuple[str, str], ...]")
_Ranges = tuple[tuple[str, str], ...]
# One character, or the ranges that it may be in, or no text: that stands for any number of any characters.
_Token = str | _Ranges
_STAR = ""
# No character of a step is a slash.
_ANY: _Ranges = (("\0", "."), ("0", _LAST))


class Unclosed(ValueError):
    """A `[` that opens no class of characters."""


def problem(steps: Sequence[str]) -> str | None:
    """Why these steps are no pattern, if they are none."""
    if len(steps) > STEPS_MOST:
        return f"it must not have more than {STEPS_MOST} steps"
    try:
        for step in steps:
            _tokens(step)
    except Unclosed:
        return "a `[` must open a class of characters such as `[a-z]`; write `[[]` for the character itself"
    return None


def overlaps(one: str, other: str) -> bool:
    """Whether some path matches both patterns, decided by walking through both at once."""
    return one == other or _walk(_steps(one), _steps(other), star=_DEEP, meet=_steps_meet)


def _steps(pattern: str) -> tuple[str, ...]:
    steps = pattern.split("/")
    return tuple(step for step, before in zip(steps, ["", *steps], strict=False) if not step == before == _DEEP)


@functools.lru_cache(maxsize=50_000)
def _steps_meet(one: str, other: str) -> bool:
    if one == other:
        return True
    if not (_is_open(one) or _is_open(other)):
        return False
    return _walk(_tokens(one), _tokens(other), star=_STAR, meet=_tokens_meet)


def _is_open(step: str) -> bool:
    return any(letter in step for letter in "*?[")


def _tokens_meet(one: _Token, other: _Token) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return any(True for _ in _common(_as_ranges(one), _as_ranges(other)))


def _as_ranges(token: _Token) -> _Ranges:
    return ((token, token),) if isinstance(token, str) else token


def _walk(one: Sequence[_T], other: Sequence[_T], *, star: _T, meet: Callable[[_T, _T], bool]) -> bool:
    """Whether both can be read side by side, where a `star` stands for any number of what the other one has.

    Each bit of `places` is a place in `other` that can be reached once a part of `one` is read, so nothing is tried twice.
    """
    stars = sum(1 << place for place, item in enumerate(other) if item == star)
    end = 1 << len(other)
    masks: dict[_T, int] = {}
    places = _opened(1, stars)
    for item in one:
        if item == star:
            places = (2 * end - 1) & -(places & -places)
            continue
        if item not in masks:
            masks[item] = sum(1 << place for place, its in enumerate(other) if its != star and meet(item, its))
        places = _opened((places & stars) | (places & masks[item]) << 1, stars)
        if not places:
            return False
    return bool(places & end)


def _opened(places: int, stars: int) -> int:
    """Also those behind a star that stands for nothing; two stars never follow each other."""
    return places | (places & stars) << 1


@functools.lru_cache(maxsize=10_000)
def _tokens(step: str) -> tuple[_Token, ...]:
    found: list[_Token] = []
    at = 0
    while at < len(step):
        letter = step[at]
        if letter == "[":
            end = _closing(step, at)
            found.append(_class(step[at + 1 : end]))
            at = end
        elif letter != "*":
            found.append(_ANY if letter == "?" else letter)
        elif not found or found[-1] != _STAR:
            found.append(_STAR)
        at += 1
    return tuple(found)


def _closing(step: str, start: int) -> int:
    """Where the class ends that starts here; a `]` at its beginning is one of its characters."""
    begin = start + 1 + step.startswith(_NEGATES, start + 1)
    end = step.find("]", begin + 1)
    if end < 0:
        raise Unclosed
    return end


def _class(text: str) -> _Ranges:
    is_negated = text.startswith(_NEGATES)
    ranges = tuple(_ranges(text[is_negated:]))
    allowed = tuple(_common(_without(ranges) if is_negated else ranges, _ANY))
    if not allowed:
        raise Unclosed
    return allowed


def _ranges(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        is_range = text[at + 1 : at + 2] == "-" and at + 2 < len(text)
        end = text[at + 2] if is_range else text[at]
        if end < text[at]:
            raise Unclosed
        yield text[at], end
        at += 3 if is_range else 1


def _without(ranges: _Ranges) -> _Ranges:
    """Every character that is in none of these ranges."""
    left, start = [], 0
    for low, high in sorted(ranges):
        if ord(low) > start:
            left.append((chr(start), chr(ord(low) - 1)))
        start = max(start, ord(high) + 1)
    return (*left, (chr(start), _LAST)) if start <= ord(_LAST) else tuple(left)


def _common(one: _Ranges, other: _Ranges) -> Iterator[tuple[str, str]]:
    for low, high in one:
        for bottom, top in other:
            if max(low, bottom) <= min(high, top):
                yield max(low, bottom), min(high, top)
