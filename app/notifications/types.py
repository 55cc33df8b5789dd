"""Who is told what, and how a notification ends."""

from enum import StrEnum
from uuid import UUID

import msgspec

from app.kernel.types import ActorKind
from app.tasks.types import Happening


class NotificationType(StrEnum):
    ASSIGNMENT = "assignment"
    MENTION = "mention"
    THREAD_UPDATE = "thread_update"
    STATUS_CHANGE = "status_change"
    RESPONSE_REQUEST = "response_request"
    READY = "ready"
    WAKEUP = "wakeup"
    PRESENCE = "presence"
    QUARANTINE = "quarantine"
    BUDGET = "budget"


class NotificationState(StrEnum):
    """Everything but `queued` is an end: an agent's notification reaches exactly one of them, a person's waits to be read."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    NO_RESPONSE = "no_response"
    DEAD = "dead"


class Notice(msgspec.Struct, kw_only=True):
    """A notification about to be written; a room above may still settle it in the same transaction."""

    id: UUID
    type: NotificationType
    recipient_kind: ActorKind
    recipient_id: UUID
    title: str
    body: str = ""
    task_id: UUID | None = None
    message_id: UUID | None = None
    event_id: UUID | None = None
    actor_kind: ActorKind = ActorKind.SYSTEM
    actor_id: UUID | None = None
    status_from: str | None = None
    caused_by_type: str | None = None
    cause_id: UUID | None = None
    depth: int = 0
    state: NotificationState = NotificationState.QUEUED
    reason: str | None = None
    command_id: UUID | None = None


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """By what a thread update is judged whether it wakes its agent; `reason` is why it does."""

    actor_kind: ActorKind
    actor_id: UUID | None
    caused_by_type: str | None
    cause_id: UUID | None
    reason: str | None
    depth: int


class NotificationQueued(msgspec.Struct, frozen=True, kw_only=True):
    """Told before the row is written, so that a room above may settle `notice` or attach the command that delivers it.

    With `merges` another one waits that takes it in, unless it is settled: that one's command delivers both.
    """

    notice: Notice
    happened: Happening
    merges: bool = False


class NotificationsForgotten(msgspec.Struct, frozen=True):
    """Told before these rows are deleted, so that what hangs on them goes with them."""

    ids: tuple[UUID, ...]
