"""The three ways to call a verb, behind one face."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp import Client

from app import main
from app.agentapi import functions
from app.kernel.errors import STATUS, Code
from tests.conformance.worlds import World
from tests.make import ORIGIN
from tests.mcp.clients import connected


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; over MCP success has no status of its own."""

    status: int
    content: dict[str, Any]
    is_replay: bool = False

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.content.get("error", {}) if self.content.get("ok") is False else {}
        return found

    @property
    def code(self) -> str | None:
        return self.error.get("code")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One call; `key` is an idempotency key."""

    who: str
    verb: str
    arguments: Any
    key: str | None = None
    session_key: str | None = None


Call = Callable[[World, Ask], Awaitable[Answer]]


async def over_http(world: World, ask: Ask) -> Answer:
    given = {"Idempotency-Key": ask.key, "X-Session-Key": ask.session_key}
    headers = {name: value for name, value in given.items() if value is not None}
    answer = await world.as_(ask.who).post(f"/agent/{ask.verb}", json=ask.arguments, headers=headers)
    content = answer.json() if answer.content else {}
    return Answer(status=answer.status_code, content=content, is_replay=answer.headers.get("Idempotent-Replayed") == "true")


async def over_mcp(world: World, ask: Ask) -> Answer:
    headers = {"X-Session-Key": ask.session_key} if ask.session_key else {}
    async with connected(world, ask.who, toolset="all", headers=headers) as client:
        return await _tool(client, ask)


async def _tool(client: Client, ask: Ask) -> Answer:
    keyed = {"idempotency_key": ask.key} if ask.key is not None else {}
    result = await client.call_tool(ask.verb.replace("-", "_"), ask.arguments | keyed)
    content = result.structured_content
    assert isinstance(content, dict)
    status = STATUS[Code(content["error"]["code"])] if result.is_error else _status(ask.verb)
    return Answer(status=status, content=content, is_replay=bool((result.meta or {}).get("callboard/replayed")))


def _status(verb: str) -> int:
    return next(one.status for one in main.VERBS if one.name == verb)


async def over_functions(world: World, ask: Ask) -> Answer:
    principal = await world._application.app.state.board.authenticate(world.tokens[ask.who])
    outcome = await functions.invoke(
        world.database,
        main.VERBS,
        principal,
        name=ask.verb.replace("-", "_"),
        arguments=ask.arguments,
        origin=ORIGIN,
        key=ask.key,
        session_key=ask.session_key,
    )
    return Answer(status=outcome.status, content=outcome.content, is_replay=outcome.is_replay)


TRANSPORTS: dict[str, Call] = {"http": over_http, "mcp": over_mcp, "function": over_functions}
