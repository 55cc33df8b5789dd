"""Who an agent is, compiled from layers of Markdown: under each heading the first layer that has it wins.

A section is a heading of any level with its text up to the next heading of any level; so a shadowed section takes none of the
sections below it away. The text before a layer's first heading is one section, too.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from app.agents.types import Layer

LAYER_MOST_BYTES = 1 << 20
DEFAULT = "default"
DEFAULTS: Mapping[Layer, str] = {
    Layer.SOUL: """You do the work that the board gives you, completely and no more than that.

## Operating rules
- Say what you understood before you start. Ask what you must know; decide small things yourself and say so.
- Back every claim about your work with something that another can repeat.
- Do not close your own work, and do not go around a refusal.""",
    Layer.AGENT: """## Working on the board
- Take your work, its facts and its limits from the board. What is missing is a question, never a guess.
- Keep the state of your tasks true: blocked while you wait for somebody, in review when you are done.""",
    Layer.IDENTITY: """## Your place
You are one agent of a crew. Speak for yourself, and only about what is yours to do.""",
    Layer.USER: """## People
People of the account decide goals and limits. Write to them briefly, with what they need to decide.""",
}

_ATX = re.compile(r" {0,3}#{1,6}(?:[ \t]+(?P<text>.*))?")
_CLOSING = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(?P<marks>`{3,}(?=[^`]*$)|~{3,}).*")
_QUOTE_OR_ITEM = re.compile(r" {0,3}(?:>|(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$))")
_BREAK = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}")
_CODE = re.compile(r" {4}| {0,3}\t")
# A line that begins otherwise is plain text, which most lines are.
_MARKS = frozenset(" \t#`~>-+*_0123456789")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Text(NamedTuple):
    """A layer and whose it is, such as `agent`, `folder builders` or `shared`."""

    content: str
    source: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A heading with the text below it, as it was written; the text before the first heading has the heading ``."""

    layer: Layer
    heading: str
    text: str

    @property
    def key(self) -> str:
        return unicodedata.normalize("NFC", " ".join(self.heading.split())).casefold()


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A section that was left out, because the layer `winner` has the same heading."""

    layer: Layer
    heading: str
    winner: Layer


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Whose text stands for a layer; that of a layer that nobody wrote is `default`."""

    layer: Layer
    source: str


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """What the layers come to; `sha256` is that of the prompt's UTF-8 bytes."""

    prompt: str
    sections: tuple[Section, ...]
    conflicts: tuple[Conflict, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    sha256: str


def compile_identity(given: Mapping[Layer, Text]) -> Compiled:
    """Merge the layers in the order of their precedence; one that is absent, empty or too large has its default."""
    used, warnings = _used(given)
    sections, conflicts = _merged([one for layer, text in used for one in sections_of(layer, text.content)])
    prompt = "".join(f"{one.text}\n\n" for one in sections).rstrip("\n") + "\n"
    return Compiled(
        prompt=prompt,
        sections=tuple(sections),
        conflicts=tuple(conflicts),
        sources=tuple(Source(layer=layer, source=text.source) for layer, text in used),
        warnings=tuple(warnings),
        sha256=hashlib.sha256(prompt.encode()).hexdigest(),
    )


def cleaned(text: str) -> str:
    """The text with plain line ends, and without what is no text: byte order marks, NUL, halves of characters."""
    return _tidied(_SURROGATES.sub("\ufffd", text).replace("\0", ""))


def _tidied(text: str) -> str:
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")


def _used(given: Mapping[Layer, Text]) -> tuple[list[tuple[Layer, Text]], list[str]]:
    used, warnings = [], []
    for layer in Layer:
        text, warning = _usable(layer, given.get(layer))
        used.append((layer, text))
        warnings += [warning] if warning else []
    return used, warnings


def _usable(layer: Layer, text: Text | None) -> tuple[Text, str | None]:
    name, default = layer.upper(), Text(DEFAULTS[layer], DEFAULT)
    if text is None:
        return default, f"{name} is missing; its default stands in"
    content = cleaned(text.content)
    if not content.strip():
        return default, f"{name} ({text.source}) is empty; its default stands in"
    if len(content.encode()) > LAYER_MOST_BYTES:
        return default, f"{name} ({text.source}) is larger than {LAYER_MOST_BYTES} bytes; its default stands in"
    is_damaged = content != _tidied(text.content)
    warning = f"{name} ({text.source}) held characters that are no text; they were taken out" if is_damaged else None
    return Text(content, text.source), warning


def _merged(sections: Sequence[Section]) -> tuple[list[Section], list[Conflict]]:
    """What repeats a heading within its own layer stays where it is; what repeats one of an earlier layer goes."""
    winners: dict[str, Layer] = {}
    kept, conflicts = [], []
    for one in sections:
        winner = winners.setdefault(one.key, one.layer)
        if winner is one.layer:
            kept.append(one)
        else:
            conflicts.append(Conflict(layer=one.layer, heading=one.heading, winner=winner))
    # Behind another layer's section, text without a heading would become part of that.
    return sorted(kept, key=lambda one: one.heading != ""), conflicts


def sections_of(layer: Layer, content: str) -> Iterator[Section]:
    """The sections of one layer in their order; a code fence that is left open is closed."""
    heading, lines = "", list[str]()
    for title, part in _parts(cleaned(content).split("\n")):
        if title is not None:
            yield from _section(layer, heading, lines)
            heading, lines = title, []
        lines += part
    yield from _section(layer, heading, lines)


def _section(layer: Layer, heading: str, lines: Sequence[str]) -> Iterator[Section]:
    told = [number for number, line in enumerate(lines) if line.strip()]
    if told:
        text = "\n".join(lines[told[0] : told[-1] + 1])
        yield Section(layer=layer, heading=" ".join(heading.split()), text=text)


def _parts(lines: Sequence[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Runs of lines, each with the title of the heading that it is, or None."""
    fence, is_nested, paragraph = "", False, list[str]()
    for line in lines:
        if fence:
            yield None, [line]
            fence = "" if _closes(line, fence) else fence
        elif paragraph and _UNDERLINE.fullmatch(line):
            yield " ".join(paragraph), [*paragraph, line]
            paragraph = []
        elif not is_nested and _is_text(line, goes_on=bool(paragraph)):
            # Whether it is a heading is known when its paragraph ends.
            paragraph.append(line)
        else:
            yield None, paragraph
            paragraph = []
            title = _title(line)
            yield title, [line]
            opened = _FENCE.fullmatch(line)
            fence = opened["marks"] if opened else ""
            # What follows an item or a quotation without a blank line belongs to it.
            is_nested = bool(_QUOTE_OR_ITEM.match(line)) or (is_nested and _is_text(line, goes_on=True))
    yield None, paragraph
    if fence:
        yield None, [fence]


def _is_text(line: str, *, goes_on: bool) -> bool:
    """Whether this is a line of a paragraph, of one that `goes_on` or of a new one."""
    if line[:1] not in _MARKS:
        return bool(line.strip())
    blocks = (_ATX.fullmatch(line), _FENCE.fullmatch(line), _BREAK.fullmatch(line), _QUOTE_OR_ITEM.match(line))
    return bool(line.strip()) and not any(blocks) and (goes_on or not _CODE.match(line))


def _title(line: str) -> str | None:
    found = _ATX.fullmatch(line)
    return _CLOSING.sub("", found["text"] or "").strip() or None if found else None


def _closes(line: str, fence: str) -> bool:
    marks = line.strip(" \t")
    return len(marks) >= len(fence) and set(marks) == {fence[0]} and not _CODE.match(line)
