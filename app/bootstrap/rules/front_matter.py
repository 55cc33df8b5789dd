"""The block at the head of a skill's file, which says what it is called and what it is for."""

import re

import msgspec

DESCRIPTION_MOST = 200
_FENCE = re.compile(r"-{3}[ \t]*")
_KEY = re.compile(r"(?P<key>[A-Za-z_][\w-]*)[ \t]*:(?P<value>.*)")


def ensured(content: str, *, name: str, description: str) -> str:
    """The text with both keys in its front matter, and never a second block; a description that it has stays.

    The name is that of the directory: by another one a gateway could take the skill for one of its own.
    """
    lines = content.split("\n")
    end = _end(lines)
    head = [f"name: {_quoted(name)}", f"description: {_quoted(_short(description) or name)}"]
    if end is None:
        return "\n".join(["---", *head, "---", *([] if lines[0] == "" else [""]), *lines])
    block = _without("name", lines[1:end])
    given = next((number for number, line in enumerate(block) if _key(line) == "description"), None)
    if given is not None and _is_empty([*block, ""], given):
        block[given] = head.pop()
    elif given is not None:
        head.pop()
    return "\n".join([lines[0], *head, *block, *lines[end:]])


def _without(key: str, block: list[str]) -> list[str]:
    """The lines but those of the key, with what stands indented below it."""
    kept, is_inside = [], False
    for line in block:
        is_inside = _key(line) == key or (is_inside and (not line.strip() or line.startswith((" ", "\t"))))
        if not is_inside:
            kept.append(line)
    return kept


def _end(lines: list[str]) -> int | None:
    """The line that ends the block, None where there is none."""
    if not _FENCE.fullmatch(lines[0]):
        return None
    return next((number for number, line in enumerate(lines) if number and _FENCE.fullmatch(line)), None)


def _key(line: str) -> str | None:
    found = _KEY.fullmatch(line)
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
