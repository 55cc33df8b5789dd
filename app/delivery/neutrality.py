"""What prompts may not say, so that a fork of the board is never told of ours."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec

from app.delivery.fence import FENCED, QUOTED
from app.delivery.types.prompts import Prompt
from app.delivery.types.templates import Problem

RULES = Path(__file__).with_name("neutrality.rules")
SHOWN = 60

# Names of settings, commands and metrics, and what a gateway's protocol calls its parts, may stand anywhere.
_ALLOWED = re.compile(
    r"\b(?:OPENCLAW|CALLBOARD)_[A-Z0-9_*]+|\./callboard\b|\bcallboard_[a-z0-9_]+|\bx-openclaw-[a-z-]+|\bopenclaw:agent-slug\b"
)
_INVISIBLE = re.compile("[\xad\u200b-\u200f\u2060-\u2064\ufeff]")


class Rule(msgspec.Struct, frozen=True):
    name: str
    pattern: re.Pattern[str]


class BadRule(Exception):
    """A line of a file of rules that is none."""


@cache
def rules(*more: Path) -> tuple[Rule, ...]:
    """The built-in rules, and those of the files."""
    return tuple(rule for path in (RULES, *more) for rule in _read(path))


def _read(path: Path) -> Iterator[Rule]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRule(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, pattern = line.partition(":")
        try:
            compiled = re.compile(pattern.strip(), re.IGNORECASE)
        except re.error as error:
            raise BadRule(f"{path}:{number}: {error}") from None
        if not name.strip() or not pattern.strip() or compiled.match(""):
            raise BadRule(f"{path}:{number}: a rule is `name: pattern`, and a pattern does not match nothing")
        yield Rule(name.strip(), compiled)


def found(text: str, *, place: str, by: Iterable[Rule]) -> list[Problem]:
    """Each place where the text breaks a rule, in the order of its lines."""
    plain = _INVISIBLE.sub("", text)
    # Full-width letters are read as what they look like; lines stay where they are.
    read = _ALLOWED.sub(lambda name: " " * len(name.group()), plain if plain.isascii() else unicodedata.normalize("NFKC", plain))
    lines = [
        Problem(place=place, line=read.count("\n", 0, hit.start()) + 1, rule=rule.name, message=_shown(hit.group()))
        for rule in by
        for hit in rule.pattern.finditer(read)
    ]
    return sorted(lines, key=lambda one: one.line)


def found_in_prompt(text: str, *, place: str, by: Iterable[Rule]) -> list[Problem]:
    """The same, of what a prompt says by itself."""
    return found(bare(text), place=place, by=by)


class Reader:
    """Reads many prompts that are much alike: what it has read once it does not read again."""

    def __init__(self, by: tuple[Rule, ...]) -> None:
        self._by = by
        self._read = set[tuple[str, str]]()

    def found(self, prompt: Prompt, *, place: str) -> Iterator[Problem]:
        """What is new in this prompt and may not be said."""
        for part, text in (("instructions", prompt.instructions), ("input", prompt.input)):
            lines = ["", *bare(text).split("\n")]
            for number, pair in enumerate(pairwise(lines), start=1):
                if pair not in self._read:
                    self._read.add(pair)
                    for one in found("\n".join(pair), place=f"<{part} of {place}>", by=self._by):
                        yield msgspec.structs.replace(one, line=number - 2 + one.line)

    def first(self, prompt: Prompt, place: str) -> Problem | None:
        return next(self.found(prompt, place=place), None)


def bare(prompt: str) -> str:
    """The prompt without what it quotes, on the lines that it had."""
    return QUOTED.sub('""', FENCED.sub(lambda block: "\n" * block.group().count("\n"), prompt))


def _shown(text: str) -> str:
    return " ".join(text.split())[:SHOWN]
