"""Verbs as functions that a model calls: their schemas, and one call of one of them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.agentapi import aliases, shapes
from app.agentapi.calling import Asked, call
from app.kernel import once, refusals
from app.kernel.db import Database
from app.kernel.errors import Invalid, Malformed, Missing
from app.kernel.idempotency import Stored
from app.kernel.types import Origin, Principal
from app.kernel.wire import View
from app.policies import rules
from app.policies import service as policies
from app.policies.verbs import Verb
from app.tasks import scenes


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a call came to: the view, or the envelope of its refusal, as plain JSON values under the status HTTP would give."""

    status: int
    content: dict[str, Any]
    is_replay: bool = False

    @property
    def is_refused(self) -> bool:
        return self.status >= 400  # noqa: PLR2004


def schemas(verbs: Iterable[Verb]) -> list[dict[str, Any]]:
    """The verbs as chat models take functions; `offered` says which ones to show to somebody."""
    return [
        {"type": "function", "function": {"name": verb.tool, "description": verb.summary, "parameters": shapes.plain(verb.body)}}
        for verb in verbs
    ]


async def offered(database: Database, verbs: Iterable[Verb], principal: Principal, *, origin: Origin) -> list[Verb]:
    """The verbs that this agent could ever be allowed, by its flags and its office of now."""
    async with database.transaction(principal.account_id, origin=origin) as tx:
        scene = await scenes.stage(tx, principal)
    actor = policies.actor_of(principal, scene.crew, scene.account)
    return [verb for verb in verbs if rules.offers(verb.action, actor=actor, account=scene.account)]


async def invoke(  # noqa: PLR0913
    database: Database,
    verbs: Iterable[Verb],
    principal: Principal,
    *,
    name: str,
    arguments: object,
    origin: Origin,
    key: str | None = None,
    session_key: str | None = None,
) -> Outcome:
    """Call the verb of that name; whatever goes wrong is an outcome too."""
    try:
        aliases.use(database, principal.account_id, name)
        verb = _named(verbs, name)
        asked = Asked(principal=principal, origin=origin, raw=raw(arguments), key=key, session_key=session_key)
        stored, is_replay = await call(database, verb, asked)
    except Exception as error:  # noqa: BLE001 - the caller is a model or a client, which gets the envelope
        return refusal(error, origin)
    return _outcome(stored, is_replay=is_replay)


def success(verb: Verb, view: View | None) -> Outcome:
    """The outcome of a call that came to this."""
    return _outcome(once.answered(view, verb.status), is_replay=False)


def _outcome(stored: Stored, *, is_replay: bool) -> Outcome:
    content = msgspec.json.decode(stored.answer) if stored.answer else {}
    return Outcome(status=stored.status, content=content, is_replay=is_replay)


def refusal(error: Exception, origin: Origin) -> Outcome:
    """The outcome that HTTP would give for this error."""
    status, content = refusals.refused(error, origin)
    # Details hold tuples, ids and enums; what is said of them is what JSON makes of them.
    return Outcome(status=status, content=msgspec.json.decode(msgspec.json.encode(content)))


def _named(verbs: Iterable[Verb], name: str) -> Verb:
    wanted = aliases.verb_of(name)
    found = next((verb for verb in verbs if verb.name == wanted), None)
    if found is None:
        # A model may make up anything, half a surrogate pair too.
        raise Missing.thing("tool", name[:64].encode(errors="replace").decode())
    return found


def raw(arguments: object) -> bytes:
    """The arguments as the body that HTTP would bring, so that one decoder reads both."""
    if arguments is None:
        return b"{}"
    if not isinstance(arguments, dict):
        raise Invalid.field("arguments", "must be an object")
    try:
        return msgspec.json.encode(arguments)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise Malformed(f"the arguments are not JSON: {error}") from None
