"""The words of delivery: what is decided about a wake-up, and what an answer means."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.notifications.types import NotificationType
from app.tasks.types import TaskStatus


class AuthorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"


class DeliveryReason(StrEnum):
    """Why a notification woke its agent, or did not; stored on the notification."""

    ASSIGNED = "assigned"
    READY = "ready"
    MENTIONED = "mentioned"
    ASKED = "asked"
    PERSON_WROTE = "person_wrote"
    ORCHESTRATOR_WATCHES = "orchestrator_watches"
    ASSIGNEE_HEARS = "assignee_hears"
    REVIEWER_HEARS = "reviewer_hears"
    REVIEW_WANTED = "review_wanted"
    REVIEW_ANSWERED = "review_answered"
    STATUS_CHANGED = "status_changed"

    OWN_MESSAGE = "own_message"
    OWN_CHANGE = "own_change"
    TOO_DEEP = "too_deep"
    TASK_ARCHIVED = "task_archived"
    TASK_DONE = "task_done"
    TASK_BLOCKED = "task_blocked"
    COORDINATION_ONLY = "coordination_only"
    NO_LONGER_ASSIGNED = "no_longer_assigned"
    NOT_ASSIGNED = "not_assigned"
    NOT_FOR_REVIEW = "not_for_review"
    REPLY_TO_REPLY = "reply_to_reply"
    MENTION_NOT_ALLOWED = "mention_not_allowed"
    FOR_PEOPLE = "for_people"
    WOKEN = "woken"
    NOTHING_TO_DO = "nothing_to_do"
    QUARANTINED = "quarantined"
    WAKE_BUDGET = "wake_budget"
    ROUND_AND_ROUND = "round_and_round"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Deliver:
    reason: DeliveryReason


@dataclass(frozen=True, slots=True)
class Skip:
    reason: DeliveryReason


DeliveryDecision = Deliver | Skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """What is true now, not when the notification was queued; the author is whoever caused it."""

    type: NotificationType
    recipient_is_orchestrator: bool
    recipient_is_assigned: bool
    recipient_is_reviewer: bool
    author_kind: AuthorKind | None
    author_is_orchestrator: bool
    author_is_recipient: bool
    author_can_mention: bool
    caused_by_type: NotificationType | None
    task_status: TaskStatus | None
    status_from: TaskStatus | None
    depth: int
    is_coordination: bool
    is_quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    text: str


@dataclass(frozen=True, slots=True)
class NoReply:
    """The agent said, with a sentinel, that nothing is to be said."""

    token: str


@dataclass(frozen=True, slots=True)
class NothingSaid:
    """An empty answer, or a gateway's placeholder for one."""


@dataclass(frozen=True, slots=True)
class WakeAnswer:
    """Words in answer to a wake-up, and the task that they are about."""

    task_id: UUID
    text: str


Answer = Reply | NoReply | NothingSaid


class AfterSilence(StrEnum):
    RETRY = "retry"
    NO_RESPONSE = "no_response"
    DELIVERED = "delivered"


class Outcome(StrEnum):
    """What a run came to: words, words that name no task, a sentinel, tool calls without words, or nothing at all."""

    REPLIED = "replied"
    NOT_POSTED = "not_posted"
    NO_REPLY = "no_reply"
    ACTED = "acted"
    SILENT = "silent"
