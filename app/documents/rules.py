"""What documents are called, and what a change of one comes to."""

import re
import unicodedata
from collections.abc import Mapping
from uuid import UUID

from app.documents.types import PROTECTED_SLUGS, Change

SLUG_MOST = 63
NAMELESS = "document"

_VERSIONED = frozenset({"title", "content"})
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_BETWEEN = re.compile(r"[^a-z0-9]+")
_SUFFIX_DIGITS = 8


def slug_from(title: str) -> str:
    """The title in the letters of a slug; accents are dropped, and a title in other letters gives no name."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return _cut(_BETWEEN.sub("-", plain), SLUG_MOST) or NAMELESS


def called(text: str) -> str:
    """The slug that somebody meant who typed this."""
    return text.strip().removeprefix("@").lower()


def is_slug(text: str) -> bool:
    return len(text) <= SLUG_MOST and _SLUG.fullmatch(text) is not None


def free_slug(base: str, document_id: UUID, *, is_taken: bool) -> str:
    """The base where it is free, else with a suffix of the document's own; a protected name is only taken on purpose."""
    if not is_taken and base not in PROTECTED_SLUGS:
        return base
    # The end of the id is random, so that two who lose the same name do not meet again.
    suffix = document_id.hex[-_SUFFIX_DIGITS:]
    return f"{_cut(base, SLUG_MOST - len(suffix) - 1)}-{suffix}"


def is_protected(*slugs: str | None) -> bool:
    return not PROTECTED_SLUGS.isdisjoint(slugs)


def change(*, before: Mapping[str, object], asked: Mapping[str, object], content_differs: bool) -> Change:
    """Of what was asked for, that which differs."""
    differing = {name for name, value in asked.items() if value != before[name]}
    fields = tuple(sorted(differing | {"content"} if content_differs else differing))
    return Change(fields=fields, makes_version=not _VERSIONED.isdisjoint(fields))


def _cut(text: str, most: int) -> str:
    return text[:most].strip("-")
