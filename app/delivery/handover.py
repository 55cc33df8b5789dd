"""What was left with a task and what is asked of it, as a prompt shows them."""

from typing import Any

import msgspec

from app.delivery.types import AuthorKind
from app.delivery.types.prompts import PromptCriterion, PromptHandoff
from app.tasks import handoffs
from app.tasks.schemas.handoffs import HandoffView
from app.tasks.types import Criterion, TaskStatus

HANDOFFS_LIMIT = 8_000
REWORK_LIMIT = 4_000
# In these the reviewer's last reasons are still to be answered.
REWORKED = frozenset({TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED})
HEADINGS = {
    "unmet": "Criteria that were not met",
    "decisions": "Decisions",
    "open_questions": "Open questions",
    "artifacts": "Artifacts",
    "tried": "Tried",
}


def left(task: Any) -> tuple[PromptHandoff, ...]:
    """The newest handoffs of a row of the task, and the reasons of the last rework if they are older."""
    found = handoffs.shown(task["handoffs"], limit=HANDOFFS_LIMIT)
    if TaskStatus(task["status"]) in REWORKED:
        known = {one.id for one in found}
        found += [one for one in handoffs.shown(task["rework"], limit=REWORK_LIMIT) if one.id not in known]
    return tuple(_handoff(one) for one in found)


def _handoff(one: HandoffView) -> PromptHandoff:
    parts = [("", (one.summary,))] if one.summary else []
    parts += [(heading, tuple(getattr(one, name))) for name, heading in HEADINGS.items() if getattr(one, name)]
    if one.is_cut:
        parts.append(("", ("\u2026 cut here; `task-load` shows the rest",)))
    return PromptHandoff(
        kind=one.kind,
        author_kind=AuthorKind(one.author_kind.value),
        author_name=one.author_name,
        at=one.created_at,
        parts=tuple(parts),
    )


def criteria(task: Any) -> tuple[PromptCriterion, ...]:
    known = msgspec.json.decode(task["criteria"], type=list[Criterion])
    return tuple(PromptCriterion(position=one.position, text=one.text, verdict=one.verdict, is_met=one.is_met) for one in known)
