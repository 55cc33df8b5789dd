"""Hears of new notifications, and delivers them as durable commands: one lane for each agent session."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.agents import sessions
from app.agents.types import Reach
from app.delivery import loops, replaying, running, service, stopping
from app.delivery.calling import Unheard, unfunded, waits_while
from app.delivery.ending import end
from app.delivery.queries import runs as queries
from app.delivery.rules import should_deliver
from app.delivery.turns import Ready, Said, Settled, Turn
from app.delivery.types import AfterSilence, AuthorKind, DeliveryFacts, DeliveryReason, Skip
from app.delivery.types.runs import GatewayError
from app.kernel.errors import Forbidden
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import ActorKind
from app.notifications.types import Notice, NotificationQueued, NotificationState, NotificationType
from app.policies.capabilities import effective
from app.policies.types import AgentFacts, Flag, Reason
from app.runtime import service as runtime
from app.runtime.handlers import Attempt, Failed
from app.runtime.rules.settings import LOOP_DEPTH, SWITCH_AGENTS
from app.runtime.service import Order
from app.runtime.taxonomy import command
from app.runtime.types import CommandsReplayed, ErrorClass, Idempotency, Queue
from app.tasks.types import Happening, TaskStatus, TaskStopped
from app.usage.types import Exhausted

SEND = "delivery.send"
GIVE_UP = "delivery.give_up"
EXPIRES_SECONDS = 86_400.0
GATEWAY_LIMIT = "dependency:gateway"


class Sending(msgspec.Struct, frozen=True):
    notification_id: UUID
    session_id: UUID


class GivenUp(msgspec.Struct, frozen=True):
    """What the runtime says of a command that it gave up."""

    payload: Sending
    error_class: str
    attempts: int
    is_expired: bool = False


async def on_notification(tx: Transaction, queued: NotificationQueued) -> None:
    """Settle at once what wakes nobody; give the rest a session and, for a gateway agent, the command that delivers it."""
    notice, happened = queued.notice, queued.happened
    agent = happened.scene.agent(notice.recipient_id) if notice.recipient_kind is ActorKind.AGENT else None
    if agent is None:
        return
    refusal = await _refused(tx, queued, agent)
    if refusal is not None:
        notice.state, notice.reason = NotificationState.SKIPPED, refusal
        loops.skipped(refusal)
        return
    if queued.merges:
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


async def _refused(tx: Transaction, queued: NotificationQueued, agent: AgentFacts) -> DeliveryReason | None:
    """Why this wakes nobody; otherwise the notification says why it wakes its agent."""
    notice, happened = queued.notice, queued.happened
    decision = should_deliver(_facts(notice, happened, agent), depth_limit=tx.controls.limit(tx.account_id, LOOP_DEPTH))
    notice.reason = decision.reason
    if not isinstance(decision, Skip):
        return await loops.refused(tx, notice, happened, agent, merges=queued.merges)
    if decision.reason is DeliveryReason.TOO_DEEP:
        await loops.went_too_deep(tx, notice, happened)
    return decision.reason


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
        is_quarantined=happened.scene.guard.is_quarantined,
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
    waits_while(attempt, SWITCH_AGENTS)
    step = await _prepared(attempt, wanted)
    if isinstance(step, Exhausted):
        raise unfunded(step)
    if isinstance(step, Ready):
        said = await running.made(attempt, step)
        waits_while(attempt, SWITCH_AGENTS)
        await _settle(attempt, step, said)


async def _prepared(attempt: Attempt, wanted: Sending) -> Settled | Exhausted | Ready:
    claim, resources = attempt.claim, attempt.resources
    turn = Turn(notification_id=wanted.notification_id, session_id=wanted.session_id, command_id=claim.id, attempt=claim.attempt)
    try:
        async with attempt.transaction() as tx:
            step = await service.prepare(tx, turn, resources, token=lambda: secrets.token_hex(8))
            if isinstance(step, Settled):
                attempt.finish(tx)
    except GatewayError as error:
        raise Unheard(error) from None
    return step


async def _settle(attempt: Attempt, ready: Ready, said: Said) -> None:
    is_last = attempt.claim.budget_used >= attempt.profile.attempts
    try:
        async with attempt.transaction() as tx:
            outcome = await service.settle(tx, ready, said, attempt=attempt.claim.attempt, is_last=is_last)
            if outcome is not AfterSilence.RETRY:
                attempt.finish(tx, {"outcome": outcome})
    except Forbidden as error:
        if error.reason != Reason.AGENT_RETIRED:
            raise
        # Retired while it answered: here that were a dead letter, and the next attempt skips it as what it is.
        raise Failed(ErrorClass.UNAVAILABLE, error.message, retry_after=0.0) from None
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
        ended = given_up.payload.notification_id
        if spent is not None and await tx.value(queries.WAITING, tx.account_id, ended):
            await end(tx, ended, state, reason=reason, attempts=given_up.attempts, spent=spent)
        attempt.finish(tx)


async def on_replay(tx: Transaction, happened: CommandsReplayed) -> None:
    """What a replayed delivery gave up is to be delivered again."""
    wanted = {msgspec.convert(one.payload, Sending).notification_id: one.spent for one in happened.commands if one.type == SEND}
    if wanted:
        await replaying.reopen(tx, wanted, actor=happened.actor)


SUBSCRIPTIONS: Subscribers = {
    NotificationQueued: [on_notification],
    CommandsReplayed: [on_replay],
    TaskStopped: [stopping.on_stop],
}
