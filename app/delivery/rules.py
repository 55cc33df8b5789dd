"""Who is woken, what an answer means, and what silence leads to."""

import re
from collections.abc import Mapping
from typing import assert_never
from uuid import UUID

from app.delivery.types import (
    AfterSilence,
    Answer,
    AuthorKind,
    Deliver,
    DeliveryDecision,
    DeliveryFacts,
    DeliveryReason,
    NoReply,
    NothingSaid,
    Reply,
    Skip,
    WakeAnswer,
)
from app.notifications.types import NotificationType
from app.tasks.types import TaskStatus

DEPTH_LIMIT = 8
SILENCE_LIMIT = 3

_NO_REPLY = frozenset({"NO_REPLY", "NO", "NO_"})
_HEARTBEAT_OK = "HEARTBEAT_OK"
_HEARTBEAT_PRELUDE = re.compile(r"Loading context for heartbeat[.…]*")
_TASK_LINE = re.compile(r"Task: {0,2}`?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`?", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(?:@\S+\s+)*No (?:response from OpenClaw|reply from agent|response from agent)\.")


def should_deliver(facts: DeliveryFacts, *, depth_limit: int = DEPTH_LIMIT) -> DeliveryDecision:
    """Decide whether this notification wakes its agent."""
    refused = _refused_for_any_type(facts, depth_limit=depth_limit)
    if refused is not None:
        return Skip(refused)
    if facts.is_coordination:
        return Deliver(DeliveryReason.ORCHESTRATOR_WATCHES)
    return _by_type(facts)


def _by_type(facts: DeliveryFacts) -> DeliveryDecision:  # noqa: C901, PLR0911 one for each kind
    match facts.type:
        case NotificationType.ASSIGNMENT:
            return _assignment(facts)
        case NotificationType.MENTION:
            return _mention(facts)
        case NotificationType.RESPONSE_REQUEST:
            return _response_request(facts)
        case NotificationType.STATUS_CHANGE:
            return _status_change(facts)
        case NotificationType.READY:
            return _ready(facts)
        case NotificationType.THREAD_UPDATE:
            return _thread_update(facts)
        case NotificationType.WAKEUP:
            return Deliver(DeliveryReason.WOKEN)
        case NotificationType.PRESENCE | NotificationType.QUARANTINE | NotificationType.BUDGET:
            return Skip(DeliveryReason.FOR_PEOPLE)
        case _:
            assert_never(facts.type)


def _refused_for_any_type(facts: DeliveryFacts, *, depth_limit: int) -> DeliveryReason | None:
    by_person = facts.author_kind is AuthorKind.PERSON
    if facts.author_is_recipient and facts.type not in {NotificationType.ASSIGNMENT, NotificationType.READY}:
        return DeliveryReason.OWN_MESSAGE if _is_message(facts.type) else DeliveryReason.OWN_CHANGE
    if facts.task_status is TaskStatus.ARCHIVED and not (by_person and facts.type is NotificationType.MENTION):
        return DeliveryReason.TASK_ARCHIVED
    # Moves and assignments have no depth: cutting them would strand a task whose next actor was never told.
    if _is_message(facts.type) and not by_person and facts.depth > depth_limit:
        return DeliveryReason.TOO_DEEP
    if facts.is_coordination and not facts.recipient_is_orchestrator:
        return DeliveryReason.COORDINATION_ONLY
    if facts.is_quarantined and not by_person:
        return DeliveryReason.QUARANTINED
    return None


def _is_message(notification: NotificationType) -> bool:
    return notification not in {NotificationType.ASSIGNMENT, NotificationType.STATUS_CHANGE, NotificationType.READY}


def _assignment(facts: DeliveryFacts) -> DeliveryDecision:
    if not facts.recipient_is_assigned:
        return Skip(DeliveryReason.NO_LONGER_ASSIGNED)
    if facts.task_status is TaskStatus.DONE:
        return Skip(DeliveryReason.TASK_DONE)
    return Deliver(DeliveryReason.ASSIGNED)


def _mention(facts: DeliveryFacts) -> DeliveryDecision:
    if facts.author_kind is AuthorKind.AGENT and not facts.author_can_mention:
        return Skip(DeliveryReason.MENTION_NOT_ALLOWED)
    return Deliver(DeliveryReason.MENTIONED)


def _response_request(facts: DeliveryFacts) -> DeliveryDecision:
    if facts.author_kind is AuthorKind.AGENT and not facts.author_can_mention:
        return Skip(DeliveryReason.MENTION_NOT_ALLOWED)
    if facts.author_kind is not AuthorKind.PERSON and facts.task_status is TaskStatus.DONE:
        return Skip(DeliveryReason.TASK_DONE)
    return Deliver(DeliveryReason.ASKED)


def _ready(facts: DeliveryFacts) -> DeliveryDecision:
    if facts.task_status is TaskStatus.DONE:
        return Skip(DeliveryReason.TASK_DONE)
    if facts.recipient_is_assigned or facts.recipient_is_orchestrator:
        return Deliver(DeliveryReason.READY)
    return Skip(DeliveryReason.NO_LONGER_ASSIGNED)


def _status_change(facts: DeliveryFacts) -> DeliveryDecision:
    match facts.task_status:
        case TaskStatus.DONE:
            return Skip(DeliveryReason.TASK_DONE)
        case TaskStatus.REVIEW if facts.recipient_is_orchestrator or facts.recipient_is_reviewer:
            return Deliver(DeliveryReason.REVIEW_WANTED)
        case TaskStatus.REVIEW:
            return Skip(DeliveryReason.NOT_FOR_REVIEW)
        case _:
            return _moved_while_open(facts)


def _moved_while_open(facts: DeliveryFacts) -> DeliveryDecision:
    if facts.status_from is TaskStatus.REVIEW and facts.recipient_is_assigned:
        return Deliver(DeliveryReason.REVIEW_ANSWERED)
    if facts.task_status is TaskStatus.BLOCKED:
        return Skip(DeliveryReason.TASK_BLOCKED)
    if facts.recipient_is_assigned or facts.recipient_is_orchestrator:
        return Deliver(DeliveryReason.STATUS_CHANGED)
    return Skip(DeliveryReason.NOT_ASSIGNED)


def _thread_update(facts: DeliveryFacts) -> DeliveryDecision:
    by_person = facts.author_kind is AuthorKind.PERSON
    if facts.task_status is TaskStatus.DONE:
        return Skip(DeliveryReason.TASK_DONE)
    if facts.task_status is TaskStatus.BLOCKED and not (by_person and facts.recipient_is_assigned):
        return Skip(DeliveryReason.TASK_BLOCKED)
    if by_person:
        return Deliver(DeliveryReason.PERSON_WROTE)
    return _agent_wrote(facts)


def _agent_wrote(facts: DeliveryFacts) -> DeliveryDecision:
    if facts.recipient_is_orchestrator:
        return Deliver(DeliveryReason.ORCHESTRATOR_WATCHES)
    is_reply = facts.caused_by_type is NotificationType.THREAD_UPDATE
    if is_reply and not facts.author_is_orchestrator:
        return Skip(DeliveryReason.REPLY_TO_REPLY)
    if facts.task_status is TaskStatus.REVIEW and facts.recipient_is_reviewer:
        return Deliver(DeliveryReason.REVIEWER_HEARS)
    if facts.recipient_is_assigned:
        return Deliver(DeliveryReason.ASSIGNEE_HEARS)
    return Skip(DeliveryReason.NOT_ASSIGNED)


EXPLANATIONS: Mapping[DeliveryReason, str] = {
    DeliveryReason.ASSIGNED: "The task was assigned to this agent.",
    DeliveryReason.READY: "Nothing is left that the task waits for.",
    DeliveryReason.MENTIONED: "Somebody who may do so called the agent by name.",
    DeliveryReason.ASKED: "The agent was asked for its answer.",
    DeliveryReason.PERSON_WROTE: "A person wrote in a thread that the agent follows.",
    DeliveryReason.ORCHESTRATOR_WATCHES: "The orchestrator hears what agents write.",
    DeliveryReason.ASSIGNEE_HEARS: "The agent works on the task.",
    DeliveryReason.REVIEWER_HEARS: "The task is in review, and the agent reviews.",
    DeliveryReason.REVIEW_WANTED: "The task came into review, and the agent may look at it.",
    DeliveryReason.REVIEW_ANSWERED: "The review sent the task back to the agent.",
    DeliveryReason.STATUS_CHANGED: "The task moved, and the agent works on it or leads.",
    DeliveryReason.WOKEN: "It is time for the agent's own wake-up, and there is something to do.",
    DeliveryReason.OWN_MESSAGE: "The agent wrote it itself.",
    DeliveryReason.OWN_CHANGE: "The agent made the change itself.",
    DeliveryReason.TOO_DEEP: "Too many causes lie before it: agents woke each other, one after the other.",
    DeliveryReason.TASK_ARCHIVED: "The task is archived.",
    DeliveryReason.TASK_DONE: "The task is done.",
    DeliveryReason.TASK_BLOCKED: "The task is blocked.",
    DeliveryReason.COORDINATION_ONLY: "The coordination thread is the orchestrator's.",
    DeliveryReason.NO_LONGER_ASSIGNED: "The agent is no longer assigned.",
    DeliveryReason.NOT_ASSIGNED: "The agent does not work on the task.",
    DeliveryReason.NOT_FOR_REVIEW: "The task is in review, and the agent does not review it.",
    DeliveryReason.REPLY_TO_REPLY: "An agent replied to a reply, and only the orchestrator's goes on from there.",
    DeliveryReason.MENTION_NOT_ALLOWED: "The author may not wake agents.",
    DeliveryReason.FOR_PEOPLE: "It is for people only.",
    DeliveryReason.NOTHING_TO_DO: "There was nothing to wake the agent for.",
    DeliveryReason.QUARANTINED: "The task is quarantined until a person lifts that.",
    DeliveryReason.WAKE_BUDGET: "The task has used up its wake-ups of this hour.",
    DeliveryReason.ROUND_AND_ROUND: "The same agents woke each other over and over.",
    DeliveryReason.STOPPED: "A person stopped the task.",
}


def explained(reason: DeliveryReason) -> str:
    """The reason in a sentence."""
    return EXPLANATIONS[reason]


def classify_text(text: str) -> Answer:
    """Read what an agent said; ask again after every tool round, because a sentinel may come last."""
    said = text.strip()
    if said in _NO_REPLY:
        return NoReply(said)
    if _is_heartbeat_ok(said):
        return NoReply(_HEARTBEAT_OK)
    if not said or _PLACEHOLDER.fullmatch(said):
        return NothingSaid()
    return Reply(said)


def _is_heartbeat_ok(said: str) -> bool:
    *earlier, last = [line.strip() for line in said.splitlines() if line.strip()] or [""]
    return last == _HEARTBEAT_OK and all(_HEARTBEAT_PRELUDE.fullmatch(line) for line in earlier)


def wake_answer(text: str) -> WakeAnswer | None:
    """Words in answer to a wake-up that say in their first line which task they are about."""
    first, _, rest = text.strip().partition("\n")
    found = _TASK_LINE.fullmatch(first.strip())
    said = rest.strip()
    return WakeAnswer(UUID(found[1]), said) if found and said else None


def listed(body: str) -> tuple[UUID, ...]:
    """The tasks that the text of a wake-up names, one a line."""
    found = (_TASK_LINE.fullmatch(line) for line in body.splitlines())
    return tuple(UUID(one[1]) for one in found if one)


def wants_answer(notification: NotificationType, *, author_kind: AuthorKind | None) -> bool:
    """Say whether silence about this notification is worth another try."""
    if notification is NotificationType.THREAD_UPDATE:
        return author_kind is AuthorKind.PERSON
    return notification not in {NotificationType.STATUS_CHANGE, NotificationType.WAKEUP}


def after_silence(
    attempts_without_answer: int, *, wanted: bool, limit: int = SILENCE_LIMIT, is_last: bool = False
) -> AfterSilence:
    """Decide after an answer that said nothing; the count includes it, and `is_last` says that nothing is asked after it."""
    if not wanted:
        return AfterSilence.DELIVERED
    if attempts_without_answer < limit and not is_last:
        return AfterSilence.RETRY
    return AfterSilence.NO_RESPONSE
