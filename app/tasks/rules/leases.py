"""Who holds a task: what a write must show, what a claim comes to, and when a lease is over (rulings 22-24)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from app.tasks.rules import STARTS_FROM
from app.tasks.types import Card, Claim, Illegal, Kept, LeaseKind, LeaseProblem, LeaseRefusal, TaskStatus

ALLOWED_CLAIMS = (TaskStatus.INBOX, TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.REVIEW)


def is_held(card: Card, *, now: datetime) -> bool:
    """A lease lasts up to its end and not beyond, whether or not the board has taken the task back yet."""
    return card.lease_until is not None and card.lease_until > now


def is_worker(rule: str, *, leads: bool) -> bool:
    """Whether an agent that is allowed by this rule writes as one that works on the task; the orchestrator never does."""
    return rule == "assignee" and not leads


def refusal(card: Card, *, now: datetime, caller: UUID, is_worker: bool, fence: int | None) -> LeaseRefusal | None:
    """Whether the caller may write: `is_worker` is true of an assignee, and false of reviewers, the orchestrator and people."""
    held = is_held(card, now=now)
    is_mine = held and card.lease_agent_id == caller
    if fence is not None and not (is_mine and card.lease_fence == fence):
        return _refused(LeaseProblem.LOST, card, held=held)
    if is_mine and card.lease_kind is LeaseKind.WORK and fence is None:
        return _refused(LeaseProblem.REQUIRED, card, held=held)
    if not is_worker or is_mine:
        return None
    if held:
        return _refused(LeaseProblem.HELD, card, held=held)
    # What nobody holds is claimed before it is worked on.
    return _refused(LeaseProblem.REQUIRED, card, held=held) if card.status is TaskStatus.IN_PROGRESS else None


def claim(
    card: Card, *, now: datetime, caller: UUID, held: Collection[UUID], capacity: int
) -> Claim | Kept | LeaseRefusal | Illegal:
    """What claiming this card comes to, once the caller is known to be entitled to it."""
    if is_held(card, now=now):
        return Kept() if card.lease_agent_id == caller else _refused(LeaseProblem.HELD, card, held=True)
    if card.status not in ALLOWED_CLAIMS:
        return Illegal(start=card.status, goal=TaskStatus.IN_PROGRESS, allowed=())
    if len(held) >= capacity:
        return LeaseRefusal(problem=LeaseProblem.CAPACITY, held=tuple(held), capacity=capacity)
    if card.status is TaskStatus.REVIEW:
        return Claim(kind=LeaseKind.REVIEW, starts=False)
    return Claim(kind=LeaseKind.WORK, starts=card.status in STARTS_FROM)


def lost(card: Card, *, now: datetime) -> LeaseRefusal:
    """The caller holds nothing here."""
    return _refused(LeaseProblem.LOST, card, held=is_held(card, now=now))


def _refused(problem: LeaseProblem, card: Card, *, held: bool) -> LeaseRefusal:
    return LeaseRefusal(problem=problem, holder=card.lease_agent_id if held else None, until=card.lease_until if held else None)
