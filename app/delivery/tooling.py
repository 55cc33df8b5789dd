"""One tool call of an answer: done once, and whatever it comes to is its result."""

from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from app.agentapi import functions
from app.agentapi.functions import Outcome
from app.delivery import rounds, service
from app.delivery.queries import runs as queries
from app.delivery.resources import Resources
from app.delivery.rounds import CALLS_MOST, Done, Round
from app.delivery.turns import Ready
from app.delivery.types.runs import ToolCall
from app.kernel.db import Database
from app.kernel.errors import Forbidden, Malformed, Missing, TooLarge
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.kernel.wire import View
from app.policies.verbs import Verb

RESULT_LIMIT = 32 * 1024
ARGUMENTS_SHOWN = 32 * 1024
NAME_SHOWN = 200
# The model is in this session already, and whoever else reads its words is not.
HIDDEN = "session_key"


class Made(NamedTuple):
    """What came of a call, and whether that was kept with what it did."""

    done: Done
    is_kept: bool


class Tools:
    """The tools that were offered with one prompt, called as its agent and in its session."""

    def __init__(self, database: Database, resources: Resources, ready: Ready, *, origin: Origin) -> None:
        self._database = database
        self._verbs = {verb.tool: verb for verb in resources.verbs}
        self._most_bytes = resources.settings.max_body_bytes
        self._ready = ready
        self._origin = origin

    @cached_property
    def _offered(self) -> frozenset[str]:
        return frozenset(tool.name for tool in rounds.asked(self._ready.prompt, ()).tools)

    @property
    def are_offered(self) -> bool:
        return bool(self._offered)

    async def call(self, one: Round, index: int, call: ToolCall) -> Made:
        """Do it; it is not done again under the same round and index, and never raises."""
        try:
            verb, arguments = self._verb(call, index), self._arguments(call)
        except Exception as error:  # noqa: BLE001 - a model reads results
            return Made(done(functions.refusal(error, self._origin)), is_kept=False)
        outcome = await functions.invoke(
            self._database,
            (verb if verb.reads else self._held(verb, one, index, call),),
            self._ready.principal,
            name=verb.name,
            arguments=arguments,
            origin=self._origin,
            key=rounds.key_of_call(self._ready.notification_id, one, index),
            session_key=self._ready.session_key,
        )
        return Made(done(outcome), is_kept=not (verb.reads or outcome.is_refused or outcome.is_replay))

    def _verb(self, call: ToolCall, index: int) -> Verb:
        if index >= CALLS_MOST:
            raise TooLarge(f"an answer may call {CALLS_MOST} tools; this and all after it were not called")
        name = call.name.replace("-", "_")
        verb = self._verbs.get(name)
        if verb is None:
            raise Missing.thing("tool", call.name[:64].encode(errors="replace").decode())
        if name not in self._offered:
            raise Forbidden(f"{verb.tool} was not offered in this turn", reason="not_offered", tool=verb.tool)
        return verb

    def _arguments(self, call: ToolCall) -> Any:
        if len(call.arguments) > self._most_bytes:
            raise TooLarge(f"arguments may be {self._most_bytes} bytes long")
        try:
            return msgspec.json.decode(call.arguments) if call.arguments.strip() else {}
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Malformed(f"the arguments are not JSON: {error}") from None

    def _held(self, verb: Verb, one: Round, index: int, call: ToolCall) -> Verb:
        """The verb with an effect that counts only while the turn lasts, and is kept together with its result."""

        async def act(tx: Transaction, principal: Principal, body: Any) -> View | None:
            view = await verb.act(tx, principal, body)
            service.hold(tx, self._ready)
            made = done(functions.success(verb, view))
            tx.put(queries.KEEP_RESULTS, row(self._ready, one, index, call, made))
            return view

        return msgspec.structs.replace(verb, act=act)


def done(outcome: Outcome) -> Done:
    """The outcome as a text of bounded length."""
    content = {name: value for name, value in outcome.content.items() if name != HIDDEN}
    return Done(status=outcome.status, output=cut(msgspec.json.encode(content).decode(), RESULT_LIMIT))


def cut(text: str, limit: int) -> str:
    """The text, or its beginning with a note of how much there was."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n\u2026 cut here: {limit} of {len(text)} characters; ask for less"


def row(ready: Ready, one: Round, index: int, call: ToolCall, made: Done) -> dict[str, Any]:
    """The call with its result as it is kept."""
    arguments = cut(call.arguments, ARGUMENTS_SHOWN)
    return {
        "notification_id": ready.notification_id,
        "ask": one.ask,
        "round": one.number,
        "index": index,
        "call_id": _stored(call.call_id[:NAME_SHOWN]),
        "name": _stored(call.name[:NAME_SHOWN]),
        "arguments": _stored(arguments),
        "status": made.status,
        "result": made.output,
        "command_id": ready.turn.command_id,
        "attempt": ready.turn.attempt,
    }


def _stored(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()
