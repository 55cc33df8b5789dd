"""Which change request a reference means, and which addresses may be kept."""

import hashlib
import re
from urllib.parse import urlsplit, urlunsplit

import msgspec

_SCHEMES = frozenset({"http", "https"})
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f\\]")


class Unusable(msgspec.Struct, frozen=True):
    """`field` is what is wrong with it."""

    field: str
    message: str


def reference(*, provider: str, repository: str | None, number: int | None, url: str | None) -> str | Unusable:
    """What tells one reference from another: its number, or without one its address."""
    canonical = None if url is None else address(url)
    if isinstance(canonical, Unusable):
        return canonical
    if number is not None:
        return f"{provider}:{repository or ''}#{number}"
    if canonical is not None:
        # An address may be longer than an index holds.
        return f"{provider}:{hashlib.sha256(canonical.encode()).hexdigest()}"
    return Unusable("number", "say which one: a `number` or a `url`")


def address(url: str) -> str | Unusable:
    """The address as it is compared: scheme and host in lower case, no place within the page."""
    if _UNSEEN.search(url):
        return Unusable("url", "must not contain spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return Unusable("url", "is no address")
    if parts.scheme not in _SCHEMES or not host:
        return Unusable("url", "must start with http:// or https:// and a host")
    if "@" in parts.netloc:
        return Unusable("url", "must not contain a user or a password")
    return urlunsplit(parts._replace(netloc=parts.netloc.lower(), fragment=""))
