"""One delivery, step by step: decide, freeze the prompt, keep the answer, post it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from app.agents.types import Adapter
from app.delivery import briefing, queries, render
from app.delivery.gateway.responses import Endpoint, GatewayRequest, encode_request
from app.delivery.rules import after_silence, classify_text, should_deliver, wants_answer
from app.delivery.types import AfterSilence, AuthorKind, NoReply, Reply, Skip
from app.delivery.types.runs import Ask, ParsedAnswer, RawAnswer
from app.events import service as events
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.messages import service as messages
from app.notifications import queries as notifications
from app.notifications.types import NotificationState, NotificationType
from app.policies import legacy
from app.tasks.renewing import first_after

MESSAGE_LIMIT = 100_000
AGENT_RETIRED = "agent_retired"


class Settled(msgspec.Struct, frozen=True):
    """The notification has come to its end; nothing is left to send."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at one notification; its command and attempt are the fence."""

    notification_id: UUID
    session_id: UUID
    command_id: UUID
    attempt: int


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen request; `answer` is what the gateway already said to it, if a worker died after hearing it.

    `renew_after` is how long the recipient's lease on the task does without being renewed; `spent` attempts were made before
    it was given up and replayed, and `reason` is why it is delivered, where a replay made that forgotten.
    """

    notification_id: UUID
    account_id: UUID
    task_id: UUID | None
    agent_id: UUID
    agent_name: str
    slug: str
    session_key: str
    profile_url: str | None
    request: bytes
    sends: int
    asks: int
    silences: int
    depth: int
    wanted: bool
    answer: RawAnswer | None
    renew_after: float
    spent: int
    reason: str | None


async def prepare(tx: Transaction, turn: Turn, *, base_url: str, token: Callable[[], str]) -> Settled | Ready:
    """Decide on the facts of now; freeze the prompt at the first attempt and keep it for all later ones."""
    row = await tx.row(queries.NOTIFICATION, tx.account_id, turn.notification_id, turn.session_id, turn.command_id, turn.attempt)
    if row is None or row["state"] != NotificationState.QUEUED:
        return Settled()
    if row["answer"] is not None:
        return _ready(tx, row, row["request"], reason=None)
    if row["retired_at"] is not None:
        _skip(tx, turn, row, reason=AGENT_RETIRED)
        return Settled()
    found = await briefing.situation(tx, row)
    decision = should_deliver(briefing.facts(found))
    if isinstance(decision, Skip):
        _skip(tx, turn, row, reason=decision.reason)
        return Settled()
    prompt = row["prompt"]
    if prompt is None:
        prompt = await _frozen(tx, found, row, session_id=turn.session_id, base_url=base_url, token=token)
        await tx.flush()
    request = row["request"] or _encoded(row, prompt)
    tx.write(
        queries.SEND, tx.account_id, turn.notification_id, row["asks"] or 0, 0, "default", Adapter.RESPONSES, request, expect=1
    )
    return _ready(tx, row, request, reason=decision.reason if row["reason"] is None else None)


def _skip(tx: Transaction, turn: Turn, row: Any, *, reason: str) -> None:
    end(tx, turn.notification_id, NotificationState.SKIPPED, reason=reason, attempts=turn.attempt, spent=row["spent"])


async def _frozen(
    tx: Transaction, found: briefing.Situation, row: Any, *, session_id: UUID, base_url: str, token: Callable[[], str]
) -> bytes:
    context = await briefing.context(tx, found, base_url=base_url)
    prompt = render.render(context, token=token)
    frozen = msgspec.json.encode(Ask(instructions=prompt.instructions, input=prompt.input, tools=context.tools))
    made = (prompt.template_version, prompt.template_source, prompt.digest, prompt.size)
    tx.write(queries.FREEZE, tx.account_id, row["id"], session_id, frozen, *made, 0, expect=1)
    return frozen


def _encoded(row: Any, prompt: bytes) -> bytes:
    ask = msgspec.json.decode(prompt, type=Ask)
    return encode_request(
        GatewayRequest(agent_slug=row["slug"], session_key=row["session_key"], instructions=ask.instructions, input=ask.input)
    )


def _ready(tx: Transaction, row: Any, request: bytes, *, reason: str | None) -> Ready:
    account = legacy.in_force(tx, row["settings"])
    heard = RawAnswer(row["answer_status"], row["answer_type"], row["answer"]) if row["answer"] is not None else None
    return Ready(
        notification_id=row["id"],
        account_id=tx.account_id,
        task_id=row["task_id"],
        agent_id=row["agent_id"],
        agent_name=row["name"],
        slug=row["slug"],
        session_key=row["session_key"],
        profile_url=row["profile_url"],
        request=request,
        sends=(row["sends"] or 0) + (row["answer"] is None),
        asks=row["asks"] or 0,
        silences=row["silences"] or 0,
        depth=row["depth"],
        wanted=wants_answer(NotificationType(row["type"]), author_kind=AuthorKind(row["actor_kind"])),
        answer=heard,
        renew_after=first_after(lease_seconds=account.lease_seconds, left=row["lease_left"]),
        spent=row["spent"],
        reason=reason,
    )


def endpoint(ready: Ready, settings: Settings) -> Endpoint | None:
    """Where to send; the environment's token goes to the environment's own origin and nowhere else."""
    url = ready.profile_url or settings.openclaw_gateway_url
    if url is None:
        return None
    is_own = settings.openclaw_gateway_url is not None and _origin(url) == _origin(settings.openclaw_gateway_url)
    token = settings.openclaw_gateway_token if is_own else None
    return Endpoint(url=url, token=token, timeout=float(settings.gateway_timeout_seconds))


def dependency(endpoint: Endpoint) -> str:
    """The gateway's origin, under which the breaker knows it."""
    scheme, host, port = _origin(endpoint.url)
    return f"{scheme}://{host}:{port}"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def keep_answer(tx: Transaction, ready: Ready, raw: RawAnswer, parsed: ParsedAnswer) -> None:
    """Commit what the gateway said before anything is made of it."""
    usage = msgspec.json.encode(dict(parsed.usage)).decode()
    heard = (raw.body, raw.status, raw.content_type, usage, parsed.cost_usd, None)
    tx.write(queries.KEEP_ANSWER, tx.account_id, ready.notification_id, ready.asks, 0, ready.sends, *heard, expect=1)


async def settle(tx: Transaction, ready: Ready, parsed: ParsedAnswer, *, attempt: int) -> AfterSilence:
    """Post what the agent said, or end in silence; RETRY leaves the notification queued."""
    answer = classify_text(parsed.text)
    if isinstance(answer, Reply) and ready.task_id is not None:
        principal = Principal(kind=ActorKind.AGENT, id=ready.agent_id, account_id=ready.account_id, name=ready.agent_name)
        text = answer.text[:MESSAGE_LIMIT]
        await messages.post(tx, principal, ready.task_id, text, answers=ready.notification_id, depth=ready.depth + 1)
        _end(tx, ready, NotificationState.DELIVERED, attempt=attempt)
        return AfterSilence.DELIVERED
    if isinstance(answer, Reply | NoReply):
        _end(tx, ready, NotificationState.DELIVERED, attempt=attempt)
        return AfterSilence.DELIVERED
    outcome = after_silence(ready.silences + 1, wanted=ready.wanted)
    if outcome is AfterSilence.RETRY:
        tx.write(queries.COUNT_SILENCE, tx.account_id, ready.notification_id, ready.silences, expect=1)
    else:
        state = NotificationState.NO_RESPONSE if outcome is AfterSilence.NO_RESPONSE else NotificationState.DELIVERED
        _end(tx, ready, state, attempt=attempt)
    return outcome


def _end(tx: Transaction, ready: Ready, state: NotificationState, *, attempt: int) -> None:
    end(tx, ready.notification_id, state, attempts=attempt, reason=ready.reason, spent=ready.spent)


def end(
    tx: Transaction,
    notification_id: UUID,
    state: NotificationState,
    *,
    attempts: int,
    reason: str | None = None,
    spent: int = 0,
) -> None:
    """Bring the notification to one of its ends; `spent` attempts lie before the last replay of its command."""
    tx.write(notifications.END, tx.account_id, notification_id, state, reason, attempts)
    payload = {"state": state, "reason": reason, "attempts": attempts}
    entity, sequence = ("notification", notification_id), 2 * spent + 2
    events.record(tx, "notify:notification:ended", entity=entity, actor=None, payload=payload, sequence=sequence)
