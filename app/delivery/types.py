"""The words of delivery: what a prompt is made of, what is decided about a wake-up, what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.notifications.types import NotificationType
from app.policies.types import Evidence
from app.tasks.types import HandoffKind, TaskStatus, Verdict


class AuthorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAgent:
    id: UUID
    slug: str
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptNotification:
    id: UUID
    type: NotificationType
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCriterion:
    position: int
    text: str
    verdict: Verdict | None = None
    is_met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptHandoff:
    """What a holder or a reviewer left; `parts` are its headings, each with its lines."""

    kind: HandoffKind
    author_kind: AuthorKind
    author_name: str
    at: datetime
    parts: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTask:
    id: UUID
    title: str
    status: TaskStatus
    description: str
    priority: int
    version: int
    labels: tuple[str, ...] = ()
    due: date | datetime | None = None
    blocked_reason: str | None = None
    assigned_slugs: tuple[str, ...] = ()
    criteria: tuple[PromptCriterion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    id: UUID
    author_kind: AuthorKind
    author_name: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFacts:
    """What the account recorded about its repository; an absent fact is None and never guessed."""

    name: str | None = None
    url: str | None = None
    base_branch: str | None = None
    branch_prefix: str | None = None
    writable_dir: str | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionableAgent:
    slug: str
    name: str
    role: str
    is_reviewer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptContext:
    """Everything one prompt is rendered from, as plain values; the session key is not among them."""

    account_name: str
    agent: PromptAgent
    notification: PromptNotification
    policy: Mapping[str, bool]
    may_close: bool
    is_orchestrator: bool
    base_url: str
    task: PromptTask | None = None
    message: PromptMessage | None = None
    thread: tuple[PromptMessage, ...] = ()
    thread_omitted: int = 0
    repository: RepositoryFacts | None = None
    briefing: str | None = None
    mentionable: tuple[MentionableAgent, ...] = ()
    orchestrator_slug: str | None = None
    person_to_ask: str | None = None
    next_statuses: tuple[TaskStatus, ...] = ()
    handoffs: tuple[PromptHandoff, ...] = ()
    evidence: Evidence = Evidence.OFF


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt; `digest` and `size` are of its UTF-8 bytes, `template_version` of its sources."""

    instructions: str
    input: str
    template_version: str
    digest: str
    size: int


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


Answer = Reply | NoReply | NothingSaid


class AfterSilence(StrEnum):
    RETRY = "retry"
    NO_RESPONSE = "no_response"
    DELIVERED = "delivered"


class FailureClass(StrEnum):
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    FORMAT = "format"
    REFUSED = "refused"


class GatewayError(Exception):
    """A send that brought no answer; `may_have_arrived` is False only when nothing can have reached the gateway."""

    def __init__(
        self,
        failure: FailureClass,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        may_have_arrived: bool = True,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.may_have_arrived = may_have_arrived


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ToolCall:
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    text: str
    usage: Mapping[str, int]
    tool_calls: tuple[ToolCall, ...]
