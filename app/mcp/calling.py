"""One call of one tool: its answer, or its refusal, as MCP gives both."""

from typing import Any

import msgspec
from mcp import types

from app.agentapi import aliases, functions
from app.agentapi.functions import Outcome
from app.agentapi.schemas import Next
from app.agentapi.waiting import Waiting, Watch, awaited
from app.kernel.db import Database
from app.kernel.errors import Invalid
from app.kernel.once import encoded
from app.kernel.wire import decode
from app.mcp.listing import KEY, NEXT, NOTHING, Catalogue
from app.mcp.types import Caller

META_KEY = "callboard/idempotency_key"
META_REPLAYED = "callboard/replayed"


async def call(database: Database, waiting: Waiting, catalogue: Catalogue, caller: Caller, asked: Any) -> types.CallToolResult:
    """`asked` are the parameters of `tools/call`; no refusal leaves as a protocol error."""
    try:
        outcome = await _outcome(database, waiting, catalogue, caller, asked)
    except Exception as error:  # noqa: BLE001 - a model reads results, not protocol errors
        outcome = functions.refusal(error, caller.origin)
    return _result(outcome)


async def _outcome(database: Database, waiting: Waiting, catalogue: Catalogue, caller: Caller, asked: Any) -> Outcome:
    arguments = dict(asked.arguments or {})
    if asked.name == NEXT:
        return await _next(database, waiting, caller, arguments)
    verb = catalogue.verbs.get(aliases.verb_of(asked.name).replace("-", "_"))
    key = _key(arguments, asked.meta, caller) if verb is not None and not verb.reads else None
    return await functions.invoke(
        database,
        catalogue.verbs.values() if verb is None else (verb,),
        caller.principal,
        name=asked.name,
        arguments=arguments,
        origin=caller.origin,
        key=key,
        session_key=caller.session_key,
    )


def _key(arguments: dict[str, Any], meta: Any, caller: Caller) -> str | None:
    """The idempotency key: an argument, else in `_meta`, else the request's header."""
    given = arguments.pop(KEY, None)
    if given is None:
        given = (meta or {}).get(META_KEY)
    if given is None:
        return caller.key
    if not isinstance(given, str):
        raise Invalid.field(KEY, "must be a string")
    return given


async def _next(database: Database, waiting: Waiting, caller: Caller, arguments: dict[str, Any]) -> Outcome:
    asked = decode(functions.raw(arguments), Next)
    watch = Watch(
        principal=caller.principal,
        origin=caller.origin,
        again=caller.again,
        gone=caller.gone,
        session_key=caller.session_key,
    )
    found = await awaited(database, waiting, watch, asked)
    return Outcome(status=200, content={"kind": NOTHING} if found is None else msgspec.json.decode(encoded(found)))


def _result(outcome: Outcome) -> types.CallToolResult:
    text = msgspec.json.encode(outcome.content).decode()
    return types.CallToolResult(
        content=[types.TextContent(text=text)],
        structured_content=outcome.content,
        is_error=outcome.is_refused,
        _meta={META_REPLAYED: True} if outcome.is_replay else None,
    )
