"""Which addresses of repositories can be used, and how they are compared."""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from app.bootstrap.types.vcs import GitError, Place, Trouble
from app.kernel.outside import Origin, origin_of

SCHEMES = frozenset({"file", "http", "https", "ssh", "git"})
URL_MOST = 2_000
# `host:path`, as ssh takes it.
_SHORT = re.compile(r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>(?!/{0,1}/)[^\s].*|/[^/].*)")


class Address(NamedTuple):
    """`given` is what git is told; `scheme` the only protocol that it may use for it; `origin` where a credential belongs."""

    given: str
    scheme: str
    origin: Origin | None


def setting_of(place: Place | None, key: str) -> str | None:
    """The key of the environment to look at, None where the account's own facts decide."""
    return key if place and place.is_from_environment else None


def named(place: Place | None) -> str:
    """What the address is called in advice."""
    return "REPO_URL" if place and place.is_from_environment else "the repository's url"


def address_of(place: Place) -> Address:
    """The address of a place, or GitError that says what is wrong with it without repeating it."""
    found = _read(place.url)
    if isinstance(found, str):
        raise GitError(Trouble.BAD_URL, found, setting=setting_of(place, "REPO_URL"))
    return found


def _read(url: str) -> Address | str:
    if not url or len(url) > URL_MOST or any(letter <= " " or letter == "\x7f" for letter in url) or not url.isprintable():
        return "it must be an address without spaces and control characters"
    if url.startswith("/"):
        return Address(url, "file", None)
    if "://" not in url:
        short = _SHORT.fullmatch(url)
        return Address(url, "ssh", None) if short and "::" not in url else _UNKNOWN
    try:
        parts = urlsplit(url)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        return "it cannot be read as an address"
    return _problem(parts, host, user) or Address(url, parts.scheme, origin_of(url))


_UNKNOWN = f"it must begin with one of {', '.join(f'{scheme}://' for scheme in sorted(SCHEMES))}, or be an absolute path"


def _problem(parts: SplitResult, host: str | None, user: str | None) -> str | None:
    if parts.scheme not in SCHEMES or "::" in parts.scheme:
        return _UNKNOWN
    if parts.password is not None or (user is not None and parts.scheme != "ssh"):
        return "it must hold no user or password: put them in REPO_USER and REPO_TOKEN, or bind the origin to a variable"
    if parts.scheme != "file" and (not host or host.startswith("-") or (user or "").startswith("-")):
        return "it names no host"
    if parts.scheme == "file" and host:
        return "a file:// address has three slashes, as in file:///path"
    if parts.query or parts.fragment:
        return "it must hold neither a query nor a fragment"
    return None if parts.path.strip("/") else "it names no repository on its host"


def is_same(one: str, other: str) -> bool:
    """Whether two addresses lead to one repository, as far as their text tells."""
    return _plain(one) == _plain(other)


def _plain(url: str) -> tuple[object, ...]:
    if url.startswith(("/", "file:///")):
        path = unquote(url.removeprefix("file://")) if url.startswith("file:") else url
        return ("file", path.rstrip("/"))
    try:
        parts = urlsplit(url)
        origin = origin_of(url) or (parts.scheme, parts.hostname, parts.port)
    except ValueError:
        return (url,)
    return (*origin, parts.path.rstrip("/").removesuffix(".git")) if parts.netloc else (url.rstrip("/").removesuffix(".git"),)
