"""The words of documents: their kinds, bounded text, and what a write comes to."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

# Every prompt of the account shows these, so people alone write them.
PROTECTED_SLUGS = frozenset({"repository", "briefing"})

# `pattern` is searched, not matched: one visible character is enough. The wire refuses NUL for all text.
Title = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
Content = Annotated[str, Meta(max_length=1_000_000)]


class DocumentType(StrEnum):
    DELIVERABLE = "deliverable"
    NOTE = "note"
    TEMPLATE = "template"
    REFERENCE = "reference"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a write changes; only another title or content makes a new version."""

    fields: tuple[str, ...]
    makes_version: bool
