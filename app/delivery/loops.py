"""What keeps crews from waking each other for ever: a budget of wake-ups, and credit for runs that bring a task no further."""

from uuid import UUID

from app.delivery.types import DeliveryReason
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind
from app.notifications.types import Notice, NotificationType
from app.observability.metrics import WAKEUPS_SKIPPED
from app.policies.types import AgentFacts
from app.runtime.rules.settings import LOOP_DEPTH, LOOP_WAKES
from app.tasks import guards
from app.tasks.rules import guards as rules
from app.tasks.rules.guards import Admission
from app.tasks.types import Chain, Happening, Link, QuarantineReason

# Cutting one of these would strand a task whose next actor was never told.
_MOVES = frozenset({NotificationType.ASSIGNMENT, NotificationType.STATUS_CHANGE, NotificationType.READY})
# The first answer to an assignment is an acknowledgement, which is to change nothing.
_FREE = frozenset({NotificationType.ASSIGNMENT.value})
# A shorter chain cannot have woken one agent so often.
_EARLIEST = 2 * rules.ROUNDS - 1


async def refused(
    tx: Transaction, notice: Notice, happened: Happening, agent: AgentFacts, *, merges: bool = False
) -> DeliveryReason | None:
    """Why this wake-up, which the policy table allows, is not made after all; one that is made is counted.

    One that `merges` into another that waits wakes nobody more often.
    """
    card, scene = happened.card, happened.scene
    if notice.actor_kind is ActorKind.PERSON:
        guards.restore(tx, card, scene.guard)
        return None
    is_talk = notice.type not in _MOVES
    if is_talk and notice.depth >= _EARLIEST and rules.goes_round(await _chain(tx, notice, happened), agent.id):
        await _quarantine(tx, notice, happened, QuarantineReason.ROUND_AND_ROUND)
        return DeliveryReason.ROUND_AND_ROUND
    if merges:
        return None
    limit = tx.controls.limit(tx.account_id, LOOP_WAKES)
    is_endless = notice.depth > rules.ENDLESS * tx.controls.limit(tx.account_id, LOOP_DEPTH)
    admission = rules.admit(scene.guard, now=scene.now, limit=limit, is_talk=is_talk, is_endless=is_endless)
    if admission is Admission.MADE:
        guards.woken(tx, card, scene)
        return None
    if admission is Admission.STOPPED or await guards.is_stuck(tx, card, scene.guard):
        await _quarantine(tx, notice, happened, QuarantineReason.WAKE_BUDGET)
    return DeliveryReason.WAKE_BUDGET


async def went_too_deep(tx: Transaction, notice: Notice, happened: Happening) -> None:
    """A chain of causes was cut; if the task came no further in all of it, the chain is a ring, however many are in it."""
    if not happened.scene.guard.is_quarantined and rules.leads_nowhere(await _chain(tx, notice, happened)):
        await _quarantine(tx, notice, happened, QuarantineReason.ROUND_AND_ROUND)


async def run_ended(tx: Transaction, notification_id: UUID) -> None:
    """A run is over; called when its notification comes to its end, whatever the agent said."""
    await guards.charge(tx, notification_id, free=_FREE)


def skipped(reason: str) -> None:
    """Count a wake-up that was not made."""
    WAKEUPS_SKIPPED.labels(reason).inc()


async def _chain(tx: Transaction, notice: Notice, happened: Happening) -> Chain:
    return await guards.chain(tx, happened.scene.guard, happened.card, notice.cause_id)


async def _quarantine(tx: Transaction, notice: Notice, happened: Happening, reason: QuarantineReason) -> None:
    """The wake-up that is refused stands at the head of what led there."""
    led = await _chain(tx, notice, happened)
    author, recipient = happened.scene.agent(notice.actor_id), happened.scene.agent(notice.recipient_id)
    last = Link(
        id=notice.id,
        type=notice.type,
        state="skipped",
        actor_kind=notice.actor_kind,
        actor_id=notice.actor_id,
        author=author.slug if author else None,
        recipient_id=notice.recipient_id,
        recipient=recipient.slug if recipient else None,
        created_at=happened.scene.now,
        seq=None,
    )
    links = (last, *led.links)
    await guards.quarantine(tx, happened.card, happened.scene, reason, cause_id=notice.id, links=links)
