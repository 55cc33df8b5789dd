"""The names and sentences of seeds, to be looked for where they must not be."""

import re
from pathlib import Path

import yaml

# Every account has documents that are called so, and a folder that is.
COMMON = {"briefing", "repository", "shared"}
SENTENCE = 30


def shipped(seeds: Path) -> set[str]:
    """Names and slugs of these seeds, and every longer line of what they say, in lower case."""
    words = set[str]()
    for path in seeds.rglob("*.md"):
        if path.name == "README.md":
            continue
        front, body = _parts(path.read_text())
        words |= {str(front[name]).lower() for name in ("slug", "name", "title", "role") if name in front}
        words |= {line.strip("-# ").lower() for line in body.splitlines() if len(line) > SENTENCE}
    account = yaml.safe_load((seeds / "account.yaml").read_text())
    return (words | {account["slug"], *(person["email"] for person in account["people"])}) - COMMON


def _parts(text: str) -> tuple[dict[str, object], str]:
    if not text.startswith("---\n"):
        return {}, text
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def said(words: set[str], text: str) -> list[str]:
    """Those that stand alone in a text in lower case."""
    return [word for word in words if word in text and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]
