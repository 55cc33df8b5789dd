"""The block at the head of a skill's file, which says what it is called and what it is for."""

import re

import msgspec

DESCRIPTION_MOST = 200
_FENCE = re.compile(r"-{3}[ \t]*")
_KEY = re.compile(r"(?P<key>[A-Za-z_][\w-]*)[ \t]*:(?P<value>.*)")


def ensured(content: str, *, name: str, description: str) -> str:
    """The text with both keys in its front matter: keys that it has stay, and there is never a second block."""
    lines = content.split("\n")
    end = _end(lines)
    wanted = {"name": name, "description": _short(description) or name}
    if end is None:
        head = [f"{key}: {_quoted(value)}" for key, value in wanted.items()]
        return "\n".join(["---", *head, "---", *([] if lines[0] == "" else [""]), *lines])
    given = {key: number for number in range(1, end) if (key := _key(lines, number)) is not None}
    for key, value in wanted.items():
        if key in given and _is_empty(lines, given[key]):
            lines[given[key]] = f"{key}: {_quoted(value)}"
    missing = [f"{key}: {_quoted(value)}" for key, value in wanted.items() if key not in given]
    return "\n".join([lines[0], *missing, *lines[1:]])


def name_in(content: str) -> str | None:
    """What the front matter says its name is, where that is one plain line."""
    lines = content.split("\n")
    for number in range(1, _end(lines) or 0):
        found = _KEY.fullmatch(lines[number])
        if found and found["key"] == "name":
            return _unquoted(found["value"].strip()) or None
    return None


def _end(lines: list[str]) -> int | None:
    """The line that ends the block, None where there is none."""
    if not _FENCE.fullmatch(lines[0]):
        return None
    return next((number for number, line in enumerate(lines) if number and _FENCE.fullmatch(line)), None)


def _key(lines: list[str], number: int) -> str | None:
    found = _KEY.fullmatch(lines[number])
    return found["key"] if found else None


def _is_empty(lines: list[str], number: int) -> bool:
    found = _KEY.fullmatch(lines[number])
    value = found["value"].strip() if found else ""
    # A value may stand on the indented lines below.
    return value in {"", '""', "''", "~", "null"} and not lines[number + 1].startswith((" ", "\t"))


def _short(text: str) -> str:
    # Other characters YAML refuses.
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:DESCRIPTION_MOST].rstrip()


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        try:
            return msgspec.json.decode(text, type=str)
        except msgspec.DecodeError:
            return text.strip('"')
    return text.strip("'") if text.startswith("'") else text
