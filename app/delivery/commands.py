"""Hears of new notifications, and delivers them as durable commands: one lane for each agent session."""

import secrets
from collections.abc import Mapping
from uuid import UUID

import httpx
import msgspec

from app.agents import sessions
from app.agents.types import Reach
from app.delivery import gateway, service
from app.delivery.answer import read_answer
from app.delivery.gateway import SendHeaders
from app.delivery.keeping import lease_kept
from app.delivery.rules import should_deliver
from app.delivery.service import Ready, Settled, Turn
from app.delivery.types import AfterSilence, AuthorKind, DeliveryFacts, FailureClass, GatewayError, ParsedAnswer, Skip
from app.kernel import clock
from app.kernel.settings import Settings
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import ActorKind
from app.notifications.types import Notice, NotificationQueued, NotificationState, NotificationType
from app.policies.capabilities import effective
from app.policies.types import AgentFacts, Flag
from app.runtime import service as runtime
from app.runtime.handlers import Attempt, Failed
from app.runtime.service import Order
from app.runtime.taxonomy import command
from app.runtime.types import ErrorClass, Idempotency, Queue
from app.tasks.types import Happening, TaskStatus

SEND = "delivery.send"
GIVE_UP = "delivery.give_up"
EXPIRES_SECONDS = 86_400.0
ERRORS: Mapping[FailureClass, ErrorClass] = {
    FailureClass.UNAVAILABLE: ErrorClass.UNAVAILABLE,
    FailureClass.TIMEOUT: ErrorClass.TIMEOUT,
    FailureClass.RATE_LIMITED: ErrorClass.RATE_LIMITED,
    FailureClass.AUTH: ErrorClass.AUTH,
    FailureClass.FORMAT: ErrorClass.TRANSIENT,
    FailureClass.REFUSED: ErrorClass.VALIDATION,
}


class Sending(msgspec.Struct, frozen=True):
    notification_id: UUID
    session_id: UUID


class GivenUp(msgspec.Struct, frozen=True):
    """What the runtime says of a command that it gave up."""

    payload: Sending
    error_class: str
    attempts: int
    is_expired: bool = False


class Resources(msgspec.Struct, frozen=True):
    """What deliveries need from outside: the client for gateways, and the settings of this process."""

    http: httpx.AsyncClient
    settings: Settings

    @property
    def base_url(self) -> str:
        return (self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}").rstrip("/")


async def on_notification(tx: Transaction, queued: NotificationQueued) -> None:
    """Settle at once what wakes nobody; give the rest a session and, for a gateway agent, the command that delivers it."""
    notice, happened = queued.notice, queued.happened
    agent = happened.scene.agent(notice.recipient_id) if notice.recipient_kind is ActorKind.AGENT else None
    if agent is None:
        return
    decision = should_deliver(_facts(notice, happened, agent))
    notice.reason = decision.reason
    if isinstance(decision, Skip):
        notice.state = NotificationState.SKIPPED
        return
    session_id = sessions.on_task(tx, agent, happened.card.id)
    if agent.kind == Reach.GATEWAY:
        order = Order(
            type=SEND,
            idempotency_key=str(notice.id),
            payload={"notification_id": notice.id, "session_id": session_id, "on_give_up": GIVE_UP},
            lane_id=session_id,
            expires_seconds=EXPIRES_SECONDS,
        )
        notice.command_id = runtime.enqueue(tx, order, actor=happened.actor, cause_id=notice.event_id, depth=notice.depth)


def _facts(notice: Notice, happened: Happening, agent: AgentFacts) -> DeliveryFacts:
    account, author = happened.scene.account, happened.scene.agent(notice.actor_id)
    return DeliveryFacts(
        type=notice.type,
        recipient_is_orchestrator=agent.id == account.orchestrator_agent_id,
        recipient_is_assigned=agent.is_assigned,
        recipient_is_reviewer=effective(agent, account).allows(Flag.IS_REVIEWER),
        author_kind=AuthorKind(notice.actor_kind.value),
        author_is_orchestrator=author is not None and author.id == account.orchestrator_agent_id,
        author_is_recipient=notice.actor_id == agent.id,
        author_can_mention=author is None or effective(author, account).allows(Flag.CAN_MENTION_AGENTS),
        caused_by_type=NotificationType(notice.caused_by_type) if notice.caused_by_type else None,
        task_status=happened.card.status,
        status_from=TaskStatus(notice.status_from) if notice.status_from else None,
        depth=notice.depth,
        is_coordination=happened.card.is_coordination,
    )


@command(
    SEND,
    payload=Sending,
    owner="delivery",
    profile="delivery",
    queue=Queue.OUTBOUND,
    idempotency=Idempotency.ENTITY,
    started_by=("a notification of a gateway agent",),
)
async def send(attempt: Attempt) -> None:
    """Deliver one notification: decide and freeze, send, keep the answer, settle; each step survives the death of the worker."""
    wanted = msgspec.json.decode(attempt.claim.payload, type=Sending)
    resources: Resources = attempt.resources
    async with attempt.transaction() as tx:
        turn = Turn(
            notification_id=wanted.notification_id,
            session_id=wanted.session_id,
            command_id=attempt.claim.id,
            attempt=attempt.claim.attempt,
        )
        step = await service.prepare(tx, turn, base_url=resources.base_url, token=lambda: secrets.token_hex(8))
        if isinstance(step, Settled):
            attempt.finish(tx)
    if isinstance(step, Ready):
        parsed = await _answer(attempt, step, resources)
        await _settle(attempt, step, parsed)


async def _answer(attempt: Attempt, ready: Ready, resources: Resources) -> ParsedAnswer:
    if ready.answer is not None:
        return read_answer(ready.answer)
    endpoint = service.endpoint(ready, resources.settings)
    if endpoint is None:
        raise Failed(
            ErrorClass.UNAVAILABLE, "no gateway is set: OPENCLAW_GATEWAY_URL is empty and the agent's profile names none"
        )
    headers = _headers(attempt, ready)
    try:
        async with lease_kept(attempt, ready):
            raw = await gateway.send(resources.http, endpoint=endpoint, body=ready.request, headers=headers, now=clock.now())
        parsed = read_answer(raw)
    except GatewayError as error:
        raise Failed(ERRORS[error.failure], f"{error.failure}: {error.message}", retry_after=error.retry_after) from None
    async with attempt.transaction() as tx:
        service.keep_answer(tx, ready, raw, parsed)
    return parsed


def _headers(attempt: Attempt, ready: Ready) -> SendHeaders:
    claim = attempt.claim
    # After a silent answer the same key would bring the silence back.
    suffix = f":{ready.silences}" if ready.silences else ""
    return SendHeaders(
        agent_slug=ready.slug,
        session_key=ready.session_key,
        idempotency_key=f"{ready.notification_id}{suffix}",
        lane_seq=claim.lane_seq,
        lane_epoch=claim.lane_epoch,
        request_id=claim.request_id,
        traceparent=_traceparent(claim.correlation_id),
    )


def _traceparent(correlation_id: str) -> str | None:
    is_trace = len(correlation_id) == 32 and all(digit in "0123456789abcdef" for digit in correlation_id)  # noqa: PLR2004
    return f"00-{correlation_id}-{secrets.token_hex(8)}-01" if is_trace else None


async def _settle(attempt: Attempt, ready: Ready, parsed: ParsedAnswer) -> None:
    async with attempt.transaction() as tx:
        outcome = await service.settle(tx, ready, parsed, attempt=attempt.claim.attempt)
        if outcome is not AfterSilence.RETRY:
            attempt.finish(tx, {"outcome": outcome})
    if outcome is AfterSilence.RETRY:
        raise Failed(ErrorClass.NO_ANSWER, "the agent said nothing")


@command(
    GIVE_UP,
    payload=GivenUp,
    owner="delivery",
    idempotency=Idempotency.CAUSE,
    started_by=("a delivery that was given up",),
)
async def give_up(attempt: Attempt) -> None:
    """The runtime gave a delivery up: its notification ends too, as dead or expired."""
    given_up = msgspec.json.decode(attempt.claim.payload, type=GivenUp)
    state = NotificationState.EXPIRED if given_up.is_expired else NotificationState.DEAD
    reason = "expired" if given_up.is_expired else given_up.error_class
    async with attempt.transaction() as tx:
        service.end(tx, given_up.payload.notification_id, state, reason=reason, attempts=given_up.attempts)
        attempt.finish(tx)


SUBSCRIPTIONS: Subscribers = {NotificationQueued: [on_notification]}
