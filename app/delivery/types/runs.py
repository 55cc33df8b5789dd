"""The words of runs: what is asked of a model through any adapter, what comes back, and how that fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from app.agents.types import Adapter


class FailureClass(StrEnum):
    """What kind of failure it was, which decides about another try, the next profile, or giving up."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    FORMAT = "format"
    REFUSED = "refused"


class GatewayError(Exception):
    """A send that brought no answer; `may_have_arrived` is False only when nothing can have reached the gateway."""

    def __init__(
        self,
        failure: FailureClass,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        may_have_arrived: bool = True,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.may_have_arrived = may_have_arrived


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    content_type: str
    body: bytes


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that a model may call; `parameters` is a plain JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(msgspec.Struct, frozen=True):
    """What a model wants called; `arguments` is JSON as it wrote it, right or wrong."""

    call_id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    name: str
    output: str
    is_error: bool = False


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One tool round that is over: what the model said and called, and what each call gave."""

    text: str
    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter sends, whatever its protocol: the frozen prompt, and the tool rounds since.

    `about` is the type of the notification that wakes; with `task_id` it is for adapters that see no difference in words.
    """

    instructions: str
    input: str
    tools: tuple[Tool, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    about: str | None = None
    task_id: UUID | None = None


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is woken, whom gateways of several accounts may know by another name than its slug.

    The session key is continuity, not a credential, and is still kept out of logs.
    """

    agent_slug: str
    gateway_id: str
    session_key: str


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """An executor profile as one call needs it; `failover` are the names of those to try after it."""

    name: str
    adapter: Adapter
    url: str | None = None
    settings: dict[str, Any] = {}
    timeout_seconds: float = 300.0
    failover: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendHeaders:
    """What travels beside the frozen body; it may differ between two sends of the same bytes.

    A command runs in the first of `directories` that is there.
    """

    agent_slug: str
    gateway_id: str
    session_key: str = field(repr=False)
    idempotency_key: str | None = None
    lane_seq: int | None = None
    lane_epoch: int | None = None
    request_id: str | None = None
    traceparent: str | None = None
    directories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """`cost_usd` is what the answer itself says it cost."""

    text: str
    usage: Mapping[str, int]
    tool_calls: tuple[ToolCall, ...]
    cost_usd: Decimal | None = None
    model: str | None = None
