"""The wire shapes of a quarantine."""

from datetime import datetime
from uuid import UUID

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.tasks.types import QuarantineReason, Reason


class Lifting(Body):
    """`reason` is said to those who are woken."""

    reason: Reason | None = None


class LinkView(View):
    """One wake-up of a chain: `author` and `recipient` are slugs, and `state` is how it ended."""

    id: UUID
    type: str
    state: str
    author_kind: ActorKind
    author: str | None
    recipient: str | None
    at: datetime


class QuarantineView(View):
    """Since when only people wake agents about the task, and why; `chain` is what led there, newest first."""

    task_id: UUID
    quarantined_at: datetime | None
    quarantine_reason: QuarantineReason | None
    chain: list[LinkView]
