"""Hears of new notifications, and delivers them as durable commands: one lane for each agent session."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import msgspec

from app.agents import sessions
from app.agents.types import Reach
from app.delivery import replaying, service
from app.delivery.gateway import responses as gateway
from app.delivery.gateway.answers import read_answer
from app.delivery.gateway.responses import Endpoint
from app.delivery.keeping import lease_kept
from app.delivery.rules import should_deliver
from app.delivery.service import Ready, Settled, Turn
from app.delivery.types import AfterSilence, AuthorKind, DeliveryFacts, Skip
from app.delivery.types.runs import FailureClass, GatewayError, ParsedAnswer, RawAnswer, SendHeaders
from app.kernel import clock
from app.kernel.settings import Settings
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import ActorKind
from app.notifications.types import Notice, NotificationQueued, NotificationState, NotificationType
from app.observability import tracing
from app.policies.capabilities import effective
from app.policies.types import AgentFacts, Flag
from app.runtime import service as runtime
from app.runtime.breakers import Call, guarded
from app.runtime.handlers import Attempt, Failed
from app.runtime.rules.settings import SWITCH_AGENTS, SWITCH_DELIVERIES
from app.runtime.service import Order
from app.runtime.taxonomy import command
from app.runtime.types import CommandsReplayed, ErrorClass, Idempotency, Queue
from app.tasks.types import Happening, TaskStatus

SEND = "delivery.send"
GIVE_UP = "delivery.give_up"
EXPIRES_SECONDS = 86_400.0
STOPPED_SECONDS = 15.0
# How much longer than the gateway's answer a call may take on this side.
CLOSING_SECONDS = 10.0
GATEWAY_LIMIT = "dependency:gateway"
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
            payload={"notification_id": notice.id, "session_id": session_id, "agent_id": agent.id, "on_give_up": GIVE_UP},
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


def _limits(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return f"agent:{payload['agent_id']}", GATEWAY_LIMIT


@command(
    SEND,
    payload=Sending,
    owner="delivery",
    profile="delivery",
    queue=Queue.OUTBOUND,
    idempotency=Idempotency.ENTITY,
    concurrency=_limits,
    started_by=("a notification of a gateway agent",),
)
async def send(attempt: Attempt) -> None:
    """Deliver one notification: decide and freeze, send, keep the answer, settle; each step survives the death of the worker."""
    wanted = msgspec.json.decode(attempt.claim.payload, type=Sending)
    resources: Resources = attempt.resources
    _wait_while(attempt, SWITCH_AGENTS)
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
        _wait_while(attempt, SWITCH_AGENTS)
        await _settle(attempt, step, parsed)


async def _answer(attempt: Attempt, ready: Ready, resources: Resources) -> ParsedAnswer:
    if ready.answer is not None:
        return read_answer(ready.answer)
    endpoint = service.endpoint(ready, resources.settings)
    if endpoint is None:
        raise Failed(
            ErrorClass.UNAVAILABLE, "no gateway is set: OPENCLAW_GATEWAY_URL is empty and the agent's profile names none"
        )
    _wait_while(attempt, SWITCH_DELIVERIES)
    call = Call(
        account_id=attempt.claim.account_id,
        dependency=service.dependency(endpoint),
        timeout=endpoint.timeout + CLOSING_SECONDS,
        origin=attempt.origin,
    )
    async with guarded(attempt.database, call):
        raw, parsed = await _sent(attempt, ready, endpoint)
    attempt.spent_on(tokens=parsed.usage or None, executor="gateway")
    async with attempt.transaction() as tx:
        service.keep_answer(tx, ready, raw, parsed)
    return parsed


async def _sent(attempt: Attempt, ready: Ready, endpoint: Endpoint) -> tuple[RawAnswer, ParsedAnswer]:
    http: httpx.AsyncClient = attempt.resources.http
    headers = _headers(attempt, ready)
    try:
        async with lease_kept(attempt, ready):
            raw = await gateway.send(http, endpoint=endpoint, body=ready.request, headers=headers, now=clock.now())
        return raw, read_answer(raw)
    except GatewayError as error:
        raise Failed(ERRORS[error.failure], f"{error.failure}: {error.message}", retry_after=error.retry_after) from None


def _wait_while(attempt: Attempt, switch: str) -> None:
    """Let the delivery wait while a kill switch is engaged: nothing is lost, and no attempt is used up."""
    if attempt.database.controls.flag(attempt.claim.account_id, switch):
        raise Failed(ErrorClass.UNAVAILABLE, f"the kill switch {switch} is engaged", retry_after=STOPPED_SECONDS)


def _headers(attempt: Attempt, ready: Ready) -> SendHeaders:
    claim = attempt.claim
    # Under the same key a silent answer, or the one that was given up on, would come back.
    suffix = (f":r{ready.spent}" if ready.spent else "") + (f":{ready.asks}" if ready.asks else "")
    return SendHeaders(
        agent_slug=ready.slug,
        session_key=ready.session_key,
        idempotency_key=f"{ready.notification_id}{suffix}",
        lane_seq=claim.lane_seq,
        lane_epoch=claim.lane_epoch,
        request_id=claim.request_id,
        traceparent=tracing.traceparent(claim.correlation_id),
    )


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
        spent = await replaying.spent_if_given_up(tx, attempt.claim.cause_id, attempts=given_up.attempts)
        if spent is not None:
            service.end(tx, given_up.payload.notification_id, state, reason=reason, attempts=given_up.attempts, spent=spent)
        attempt.finish(tx)


async def on_replay(tx: Transaction, happened: CommandsReplayed) -> None:
    """What a replayed delivery gave up is to be delivered again."""
    wanted = {msgspec.convert(one.payload, Sending).notification_id: one.spent for one in happened.commands if one.type == SEND}
    if wanted:
        await replaying.reopen(tx, wanted, actor=happened.actor)


SUBSCRIPTIONS: Subscribers = {NotificationQueued: [on_notification], CommandsReplayed: [on_replay]}
