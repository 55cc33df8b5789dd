"""What an executor profile may say for each adapter; a setting that its adapter does not know is refused."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta

from app.agents.types import Adapter
from app.kernel.errors import Invalid
from app.kernel.outside import Origin, origin_of

TIMEOUT_LEAST, TIMEOUT_MOST = 5, 3600
# What runs an agent by these reads no workspace, so that its prompt says who it is.
WITHOUT_WORKSPACE = frozenset({Adapter.CHAT, Adapter.PROCESS, Adapter.MCP})
PRICE_MOST = Decimal(1_000_000)
PRICE_DIGITS = 9
PRICE_STEP = Decimal(1).scaleb(-PRICE_DIGITS)

History = Literal["full", "last"]
Said = Annotated[str, Meta(min_length=1, max_length=200)]
Written = Literal["text", "json"]
Word = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_.-]+$(?!\n)")]
# Also of a scope, `@scope/name`.
Package = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^(@[A-Za-z0-9_.-]+/)?[A-Za-z0-9][A-Za-z0-9_.-]*$(?!\n)")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every profile may have: what a million tokens cost, for answers that do not say what they cost."""

    usd_per_million_input: Decimal | None = None
    usd_per_million_output: Decimal | None = None


class ResponsesSettings(Settings, frozen=True, kw_only=True):
    """`model` unset names the agent; with `history: last` the gateway remembers the tool rounds before by itself."""

    model: Said | None = None
    stream: bool = False
    tools: bool = True
    history: History = "last"


class ChatSettings(Settings, frozen=True, kw_only=True):
    model: Said
    stream: bool = False
    tools: bool = True
    history: History = "full"


class ProcessSettings(Settings, frozen=True, kw_only=True):
    """`command` is a name of the operator's list; with `input: json` it gets the tools too.

    An answer that begins with `{` is read as JSON, unless `output` says what it is. `version` is handed to the command, which
    thereby runs that one of its versions. Where a program or package of `denied` is within its reach, it is not run.
    """

    command: Word
    version: Word | None = None
    denied: Annotated[list[Package], Meta(max_length=50)] = []
    input: Written = "text"
    output: Written | None = None
    history: History = "full"


class McpSettings(Settings, frozen=True, kw_only=True):
    """The peer's `tool` is called with the prompt as its `argument`."""

    tool: Said
    argument: Said = "prompt"
    input: Written = "text"
    output: Written | None = None
    history: History = "full"


class ScriptedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In the arguments the text `$task_id` stands for the id of the task that it is about."""

    name: Said
    arguments: dict[str, Any] = {}


class ScriptedStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is answered where `on`, `round` and `agent` fit, each of which fits all if it is unset; or how it fails."""

    on: Said | None = None
    round: Annotated[int, Meta(ge=0, le=100)] | None = None
    agent: Said | None = None
    text: Annotated[str, Meta(max_length=20_000)] = ""
    calls: Annotated[list[ScriptedCall], Meta(max_length=20)] = []
    input_tokens: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    output_tokens: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    cost_usd: Decimal | None = None
    delay_seconds: Annotated[float, Meta(ge=0, le=60)] = 0.0
    fails: Literal["unavailable", "timeout", "rate_limited", "quota", "auth", "format", "refused"] | None = None
    retry_after: Annotated[float, Meta(ge=0, le=86_400)] | None = None


class ScriptedSettings(Settings, frozen=True, kw_only=True):
    """The first step that fits answers; where none does, the sentinel that nothing is to be said."""

    steps: Annotated[list[ScriptedStep], Meta(max_length=100)] = []


KINDS: dict[Adapter, type[Settings]] = {
    Adapter.RESPONSES: ResponsesSettings,
    Adapter.CHAT: ChatSettings,
    Adapter.PROCESS: ProcessSettings,
    Adapter.MCP: McpSettings,
    Adapter.SCRIPTED: ScriptedSettings,
}
# Those that are reached at an address; of these `responses` may leave it to the environment.
ADDRESSED = frozenset({Adapter.RESPONSES, Adapter.CHAT, Adapter.MCP})


def settings_of(adapter: Adapter, given: dict[str, Any]) -> Settings:
    """The settings as their adapter's type; msgspec's ValidationError says what is wrong."""
    return msgspec.convert(given, KINDS[adapter])


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as somebody wants it; `known` are the profiles of the account with what each fails over to."""

    name: str
    adapter: Adapter
    url: str | None
    settings: dict[str, Any]
    failover: tuple[str, ...]
    known: Mapping[str, Sequence[str]]


class Outside(msgspec.Struct, frozen=True):
    """What the operator lets profiles reach."""

    origins: frozenset[Origin]
    commands: frozenset[str]


def checked(given: Given, outside: Outside) -> Settings:
    """The settings of a profile that may be; Invalid says which field is wrong, and how."""
    _check_url(given, outside)
    _check_failover(given)
    try:
        settings = settings_of(given.adapter, given.settings)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        raise Invalid.field(f"settings{place.rstrip('`')}", message) from None
    for field, amount in _amounts(settings):
        if not (amount.is_finite() and 0 <= amount <= PRICE_MOST and amount == amount.quantize(PRICE_STEP)):
            raise Invalid.field(f"settings.{field}", f"must be from 0 to {PRICE_MOST}, with {PRICE_DIGITS} decimals at most")
    if isinstance(settings, ProcessSettings) and settings.command not in outside.commands:
        known = ", ".join(sorted(outside.commands)) or "none"
        raise Invalid.field("settings.command", f"must be one of the operator's commands: {known}")
    return settings


def _amounts(settings: Settings) -> Iterator[tuple[str, Decimal]]:
    for field in ("usd_per_million_input", "usd_per_million_output"):
        if (amount := getattr(settings, field)) is not None:
            yield field, amount
    if isinstance(settings, ScriptedSettings):
        for index, step in enumerate(settings.steps):
            if step.cost_usd is not None:
                yield f"steps[{index}].cost_usd", step.cost_usd


def _check_url(given: Given, outside: Outside) -> None:
    if given.adapter not in ADDRESSED and given.url is not None:
        raise Invalid.field("url", f"the adapter {given.adapter} has none")
    if given.url is not None:
        _check_address(given.url, outside, takes_query=given.adapter is Adapter.MCP)
    elif given.adapter in ADDRESSED - {Adapter.RESPONSES}:
        raise Invalid.field("url", f"the adapter {given.adapter} needs one")


def _check_address(url: str, outside: Outside, *, takes_query: bool) -> None:
    parts, origin = _split(url), origin_of(url)
    if parts is None or origin is None or not re.fullmatch(r"[!-~]+", url):
        raise Invalid.field("url", "must be an http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise Invalid.field("url", "must hold no credentials; the operator binds a token to its origin")
    if parts.fragment or (parts.query and not takes_query):
        raise Invalid.field("url", "must end with its path")
    if origin not in outside.origins:
        raise Invalid.field("url", "its origin is not on the operator's list (CALLBOARD_GATEWAY_ORIGINS)")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _check_failover(given: Given) -> None:
    if len(set(given.failover)) < len(given.failover):
        raise Invalid.field("failover", "names a profile twice")
    if unknown := sorted(set(given.failover) - given.known.keys() - {given.name}):
        raise Invalid.field("failover", f"there is no executor profile {unknown[0]}")
    if path := _back(given):
        raise Invalid.field("failover", f"goes round: {' -> '.join(path)}")


def _back(given: Given) -> list[str]:
    """The way from the profile back to itself, if there is one."""
    following = {**given.known, given.name: given.failover}
    seen: set[str] = set()
    ways = [[given.name]]
    while ways:
        way = ways.pop()
        for name in following.get(way[-1], ()):
            if name == given.name:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []
