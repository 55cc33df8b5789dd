"""The room's words: what is served at `/mcp`, and who calls it."""

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from app.kernel.types import Origin, Principal
from app.policies.verbs import Verb

EVERYTHING = "all"
# Where a request carries its caller through the SDK.
CALLER = "mcp_caller"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Bodies of at most `most` bytes, and pages of the board's own `sites` beside those of this machine."""

    verbs: Iterable[Verb]
    version: str
    most: int
    sites: frozenset[str] = frozenset()


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request of a client; `again` answers its principal anew or raises, `gone` ends when the client goes away."""

    principal: Principal
    origin: Origin
    again: Callable[[], Awaitable[Principal]]
    gone: Callable[[], Awaitable[None]]
    toolsets: frozenset[str] = frozenset()
    key: str | None = None
    session_key: str | None = None
