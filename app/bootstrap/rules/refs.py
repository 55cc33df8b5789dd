"""Which texts are names of branches, patterns of them, and addresses that an account may give."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from app.kernel.outside import Origin, origin_of

BRANCH_MOST, ADDRESS_MOST = 200, 500
PLACES = ("id", "title", "agent")
# What git refuses anywhere in a name.
_BANNED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_PLACE = re.compile(r"\{([^{}]*)\}")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def branch_problem(name: str) -> str | None:
    """Why this cannot be the name of a branch, or None."""
    if not name or len(name) > BRANCH_MOST:
        return f"must have 1 to {BRANCH_MOST} characters"
    if _BANNED.search(name) or not name.isprintable():
        return "must not hold spaces, control or invisible characters, `..`, `//`, `@{` or any of ~ ^ : ? * [ \\"
    if name.startswith(("-", "/", "refs/")) or name.endswith(("/", ".")):
        return "must not begin with `-`, `/` or `refs/`, nor end with `/` or `.`"
    if name in {"@", "HEAD"} or any(step.startswith(".") or step.endswith(".lock") for step in name.split("/")):
        return "is a name that git keeps for itself"
    return None


def prefix_problem(prefix: str) -> str | None:
    """Why no branch's name can begin so, or None."""
    return branch_problem(f"{prefix}x")


def pattern_problem(pattern: str) -> str | None:
    """Why branches cannot be named by this pattern, or None."""
    places = set(_PLACE.findall(pattern))
    filled = _PLACE.sub("x", pattern)
    if places - set(PLACES) or "{" in filled or "}" in filled:
        return f"may hold {', '.join(f'{{{place}}}' for place in PLACES)} and no other braces"
    if not places & {"id", "agent"}:
        return "must hold {id} or {agent}, so that branches differ"
    # What comes before it is a prefix, or nothing.
    return branch_problem(filled) or branch_problem(f"x/{filled}")


def glob_problem(glob: str) -> str | None:
    """Why this names no branches, or None; `*` is any text."""
    return branch_problem(glob.replace("*", "x"))


def address_problem(url: str, *, allowed: Collection[Origin], setting: str) -> str | None:
    """Why an account may not name this address, or None; `setting` is where the operator lists what is `allowed`."""
    if len(url) > ADDRESS_MOST or not _PRINTABLE.fullmatch(url) or "\\" in url:
        return f"must be an address of at most {ADDRESS_MOST} printable characters"
    origin = origin_of(url)
    if origin is None:
        return "must be an http:// or https:// address"
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        return f"must hold no credentials: {setting} names the variable with the token for its origin"
    if parts.query or parts.fragment or not parts.path.strip("/"):
        return "must name a repository, without a query or fragment"
    if origin not in allowed:
        return f"its origin is not among those that the operator allows: it must be in {setting} or be that of REPO_URL"
    return None
