"""The wire shapes of what one holder left to the next."""

from datetime import datetime
from uuid import UUID

from app.kernel.types import ActorKind
from app.kernel.wire import View
from app.tasks.types import HandoffKind


class HandoffView(View):
    """`unmet` are criteria that were judged not to be met; `is_cut` says that there was more than fits here."""

    id: UUID
    kind: HandoffKind
    author_kind: ActorKind
    author_id: UUID | None
    author_name: str
    created_at: datetime
    summary: str = ""
    decisions: list[str] = []
    open_questions: list[str] = []
    artifacts: list[str] = []
    tried: list[str] = []
    unmet: list[str] = []
    is_cut: bool = False


class HandoffPage(View):
    items: list[HandoffView]
    next_cursor: str | None
    limit: int
