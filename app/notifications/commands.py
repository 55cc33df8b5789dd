"""Hears what happened to cards and writes who is told of it, in the same transaction."""

from uuid import UUID

from app.accounts import queries as accounts
from app.agents.types import PresenceChanged, PresenceState
from app.events import service as events
from app.kernel.ids import new_id
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import ActorKind
from app.kernel.wake import BOARD
from app.messages.types import MessagePosted, ResponseRequested
from app.notifications import queries, rules
from app.notifications.types import Notice, NotificationQueued, NotificationType
from app.tasks.types import Happening, TaskAssigned, TaskCreated, TaskDelayed, TaskMoved, TaskReady, Tie

BODY_LIMIT = 2_000


async def on_creation(tx: Transaction, happened: TaskCreated) -> None:
    await _tell(tx, happened, rules.of_creation(happened), body="")


async def on_assignment(tx: Transaction, happened: TaskAssigned) -> None:
    start = happened.start if happened.start is not happened.card.status else None
    await _tell(tx, happened, rules.of_assignment(happened), body=happened.reason or "", start=start)


async def on_move(tx: Transaction, happened: TaskMoved) -> None:
    await _tell(tx, happened, rules.of_move(happened), body=happened.reason or "", start=happened.start)


async def on_ready(tx: Transaction, happened: TaskReady) -> None:
    await _tell(tx, happened, rules.of_ready(happened), body="")


async def on_delayed(tx: Transaction, happened: TaskDelayed) -> None:
    await _tell(tx, happened, rules.of_delayed(happened), body="\n".join(happened.others)[:BODY_LIMIT])


async def on_message(tx: Transaction, happened: MessagePosted) -> None:
    await _tell(tx, happened, rules.of_message(happened), body=happened.content[:BODY_LIMIT], message_id=happened.message_id)


async def on_request(tx: Transaction, happened: ResponseRequested) -> None:
    await _tell(tx, happened, rules.of_request(happened), body=happened.message)


async def on_presence(tx: Transaction, changed: PresenceChanged) -> None:
    """Each person is told once that an agent fell silent, and once that it is back."""
    title = f"{changed.name} is back" if changed.state is PresenceState.ONLINE else f"{changed.name} has fallen silent"
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


SUBSCRIPTIONS: Subscribers = {
    PresenceChanged: [on_presence],
    TaskCreated: [on_creation],
    TaskAssigned: [on_assignment],
    TaskMoved: [on_move],
    TaskReady: [on_ready],
    TaskDelayed: [on_delayed],
    MessagePosted: [on_message],
    ResponseRequested: [on_request],
}


async def _tell(
    tx: Transaction, happened: Happening, told: rules.Told, *, body: str, start: str | None = None, message_id: UUID | None = None
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
        await tx.tell(NotificationQueued(notice=notice, happened=happened))
        # Encoded at the end of the transaction, so that what the subscribers settled is in it.
        tx.put(queries.INSERT, notice)
        payload = {"type": type_, "recipient_kind": kind, "recipient_id": recipient, "task_id": happened.card.id}
        events.record(
            tx, "notify:notification:created", entity=("notification", notice.id), actor=happened.actor, payload=payload
        )
        if kind is ActorKind.AGENT:
            tx.wake(BOARD, recipient)


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
        case TaskDelayed(is_stranded=True):
            return f"{who} archived what this waits for: {card.title}"
        case TaskDelayed():
            return f"{who} reopened what this waits for: {card.title}"
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
        case NotificationType.READY:
            return f"Nothing is left to wait for: {card.title}"
        case NotificationType.STATUS_CHANGE if start is None:
            return f"New in the inbox: {card.title}"
        case _:
            return f"{who} moved it from {start} to {card.status}: {card.title}"
