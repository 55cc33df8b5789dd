"""Hears what happened to cards and writes who is told of it, in the same transaction."""

from uuid import UUID

from app.accounts import queries as accounts
from app.agents.types import AgentChanged, GatewayChanged, PresenceChanged, PresenceState, Reach
from app.events import service as events
from app.kernel.ids import new_id
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import ActorKind, Role
from app.kernel.wake import BOARD
from app.messages.types import MessagePosted, ResponseRequested
from app.notifications import coalescing, ending, queries, rules
from app.notifications.types import Notice, NotificationQueued, NotificationState, NotificationType
from app.runtime import standing
from app.tasks.types import (
    Happening,
    QuarantineLifted,
    QuarantineReason,
    TaskAssigned,
    TaskCreated,
    TaskDelayed,
    TaskMoved,
    TaskQuarantined,
    TaskReady,
    TaskStatus,
    TaskStopped,
    Tie,
)
from app.usage.types import BudgetReached

BODY_LIMIT = 2_000
MANAGERS = frozenset({Role.ADMIN, Role.OWNER})
QUARANTINES = {
    QuarantineReason.NO_PROGRESS: "The last runs brought it no further.",
    QuarantineReason.WAKE_BUDGET: "Agents were woken about it too often within an hour.",
    QuarantineReason.ROUND_AND_ROUND: "The same agents woke each other again and again.",
}


async def on_creation(tx: Transaction, happened: TaskCreated) -> None:
    await _tell(tx, happened, rules.of_creation(happened), body="")


async def on_assignment(tx: Transaction, happened: TaskAssigned) -> None:
    start = happened.start if happened.start is not happened.card.status else None
    await _tell(tx, happened, rules.of_assignment(happened), body=happened.reason or "", start=start)


async def on_move(tx: Transaction, happened: TaskMoved) -> None:
    if happened.card.status is TaskStatus.ARCHIVED:
        ending.of_task(tx, happened.card.id)
    await _tell(tx, happened, rules.of_move(happened), body=happened.reason or "", start=happened.start)


async def on_stop(tx: Transaction, happened: TaskStopped) -> None:
    await _tell(tx, happened, rules.of_stop(happened), body=happened.reason[:BODY_LIMIT], start=happened.start)


async def on_ready(tx: Transaction, happened: TaskReady) -> None:
    await _tell(tx, happened, rules.of_ready(happened), body="")


async def on_delayed(tx: Transaction, happened: TaskDelayed) -> None:
    await _tell(tx, happened, rules.of_delayed(happened), body="\n".join(happened.others)[:BODY_LIMIT])


async def on_message(tx: Transaction, happened: MessagePosted) -> None:
    told = rules.of_message(happened)
    waiting = await coalescing.waiting(tx, happened, told)
    body = happened.content[:BODY_LIMIT]
    await _tell(tx, happened, told, body=body, message_id=happened.message_id, waiting=waiting)


async def on_request(tx: Transaction, happened: ResponseRequested) -> None:
    await _tell(tx, happened, rules.of_request(happened), body=happened.message)


async def on_quarantine(tx: Transaction, happened: TaskQuarantined) -> None:
    """People are told once: nobody else can let the crew go on."""
    people = await tx.rows(accounts.PEOPLE, tx.account_id)
    roles = {person["id"]: Role(person["role"]) for person in people}
    body = f"{QUARANTINES[happened.reason]} Until a person lifts that, agents are woken about it by people alone."
    await _tell(tx, happened, rules.of_quarantine(happened, roles), body=body)


async def on_lift(tx: Transaction, happened: QuarantineLifted) -> None:
    await _tell(tx, happened, rules.of_lift(happened), body=happened.reason or "")


async def on_presence(tx: Transaction, changed: PresenceChanged | GatewayChanged) -> None:
    """Each person is told once that an agent or a gateway fell silent, and once that it is back."""
    name = f"The gateway {changed.name}" if isinstance(changed, GatewayChanged) else changed.name
    title = f"{name} is back" if changed.state is PresenceState.ONLINE else f"{name} has fallen silent"
    for person in await tx.rows(accounts.PEOPLE, tx.account_id):
        notice = Notice(
            id=new_id(),
            type=NotificationType.PRESENCE,
            recipient_kind=ActorKind.PERSON,
            recipient_id=person["id"],
            title=title,
            event_id=changed.event_id,
        )
        tx.put(queries.INSERT, notice)
        payload = {"type": notice.type, "recipient_kind": notice.recipient_kind, "recipient_id": notice.recipient_id}
        events.record(tx, "notify:notification:created", entity=("notification", notice.id), actor=None, payload=payload)


async def on_budget(tx: Transaction, reached: BudgetReached) -> None:
    """Those who may manage the account are told that a budget has come to a limit."""
    people = [one for one in await tx.rows(accounts.PEOPLE, tx.account_id) if one["role"] in MANAGERS]
    for person in people:
        notice = Notice(
            id=new_id(),
            type=NotificationType.BUDGET,
            recipient_kind=ActorKind.PERSON,
            recipient_id=person["id"],
            title=reached.title,
            body=reached.body,
            task_id=reached.task_id,
            event_id=reached.event_id,
        )
        tx.put(queries.INSERT, notice)
        payload = {"type": notice.type, "recipient_kind": notice.recipient_kind, "recipient_id": notice.recipient_id}
        events.record(tx, "notify:notification:created", entity=("notification", notice.id), actor=None, payload=payload)


async def on_agent(tx: Transaction, changed: AgentChanged) -> None:
    """Nothing waits for who was retired; what waits for who fetches it is watched."""
    if changed.is_retired:
        ending.of_agent(tx, changed.agent_id)
    elif changed.reach is Reach.PULL:
        await standing.rouse(tx, ending.STANDING)


SUBSCRIPTIONS: Subscribers = {
    AgentChanged: [on_agent],
    PresenceChanged: [on_presence],
    GatewayChanged: [on_presence],
    BudgetReached: [on_budget],
    TaskCreated: [on_creation],
    TaskAssigned: [on_assignment],
    TaskMoved: [on_move],
    TaskReady: [on_ready],
    TaskStopped: [on_stop],
    TaskDelayed: [on_delayed],
    TaskQuarantined: [on_quarantine],
    QuarantineLifted: [on_lift],
    MessagePosted: [on_message],
    ResponseRequested: [on_request],
}


async def _tell(  # noqa: PLR0913
    tx: Transaction,
    happened: Happening,
    told: rules.Told,
    *,
    body: str,
    start: str | None = None,
    message_id: UUID | None = None,
    waiting: coalescing.Waiting | None = None,
) -> None:
    for (kind, recipient), type_ in told.items():
        notice = Notice(
            id=_id(happened, recipient),
            type=type_,
            recipient_kind=kind,
            recipient_id=recipient,
            title=_of_graph(happened) or _title(type_, happened, start),
            body=body,
            task_id=happened.card.id,
            message_id=message_id,
            event_id=happened.event_id,
            actor_kind=happened.actor.kind,
            actor_id=happened.actor.id,
            status_from=start,
            caused_by_type=_cause(happened),
            cause_id=_cause_id(happened),
            depth=happened.depth,
        )
        earlier = (waiting or {}).get(recipient)
        await tx.tell(NotificationQueued(notice=notice, happened=happened, merges=earlier is not None))
        if kind is ActorKind.AGENT:
            tx.wake(BOARD, recipient)
        if earlier is not None and notice.state is NotificationState.QUEUED:
            coalescing.merge(tx, earlier, notice)
            continue
        # Encoded at the end of the transaction, so that what the subscribers settled is in it.
        tx.put(queries.INSERT, notice)
        payload = {"type": type_, "recipient_kind": kind, "recipient_id": recipient, "task_id": happened.card.id}
        events.record(
            tx, "notify:notification:created", entity=("notification", notice.id), actor=happened.actor, payload=payload
        )


def _id(happened: Happening, recipient: UUID) -> UUID:
    """The answer to a request names its notifications, so they have their ids already."""
    return happened.asked[recipient] if isinstance(happened, ResponseRequested) else new_id()


def _cause(happened: Happening) -> str | None:
    wake = happened.scene.wake
    return wake.type if wake is not None and happened.actor.kind is ActorKind.AGENT else None


def _cause_id(happened: Happening) -> UUID | None:
    wake = happened.scene.wake
    return wake.id if wake is not None and happened.actor.kind is ActorKind.AGENT else None


def _of_graph(happened: Happening) -> str | None:
    card, who = happened.card, happened.actor.name
    match happened:
        case TaskReady(tie=Tie.CHILD):
            return f"No sub-task is open any more: {card.title}"
        case TaskReady(tie=Tie.FILES):
            return f"Its files are free: {card.title}"
        case TaskDelayed(is_stranded=True):
            return f"{who} archived what this waits for: {card.title}"
        case TaskDelayed():
            return f"{who} reopened what this waits for: {card.title}"
        case QuarantineLifted():
            return f"{who} lifted the quarantine: {card.title}"
    return None


def _title(  # noqa: PLR0911 one for each kind
    kind: NotificationType, happened: Happening, start: str | None
) -> str:
    card, who = happened.card, happened.actor.name
    match kind:
        case NotificationType.ASSIGNMENT:
            return f"{who} assigned you: {card.title}"
        case NotificationType.MENTION:
            return f"{who} mentioned you: {card.title}"
        case NotificationType.THREAD_UPDATE:
            return f"{who} wrote: {card.title}"
        case NotificationType.RESPONSE_REQUEST:
            return f"{who} asks for your answer: {card.title}"
        case NotificationType.QUARANTINE:
            return f"Quarantined, since it goes round: {card.title}"
        case NotificationType.READY:
            return f"Nothing is left to wait for: {card.title}"
        case NotificationType.STATUS_CHANGE if start is None:
            return f"New in the inbox: {card.title}"
        case _:
            return f"{who} moved it from {start} to {card.status}: {card.title}"
