"""The words of «what moves this task next?»: what it waits for, the facts behind it, and the answer."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.types import ActorKind, Role
from app.tasks.types import Card, Scene
from app.usage.types import Exhausted


class WaitsFor(StrEnum):
    """Everything that a task can wait for; there is no word for not knowing."""

    QUARANTINED = "quarantined"
    BUDGET_EXHAUSTED = "budget_exhausted"
    DELIVERY_PAUSED = "delivery_paused"
    GATEWAY_OFFLINE = "gateway_offline"
    DELIVERY_GIVEN_UP = "delivery_given_up"
    DELIVERY_DELAYED = "delivery_delayed"
    HELD = "held"
    LEASE_RAN_OUT = "lease_ran_out"
    DEPENDENCY_OPEN = "dependency_open"
    DEPENDENCY_ARCHIVED = "dependency_archived"
    FILES_RESERVED = "files_reserved"
    WORKTREE_FAILED = "worktree_failed"
    OPEN_CHILDREN = "open_children"
    ASSIGNEE_TO_START = "assignee_to_start"
    ASSIGNEE_AT_CAPACITY = "assignee_at_capacity"
    ASSIGNEE_CANNOT = "assignee_cannot"
    REWORK_TO_CLAIM = "rework_to_claim"
    PERSON_AT_WORK = "person_at_work"
    UNOWNED = "unowned"
    ORCHESTRATOR_TO_ASSIGN = "orchestrator_to_assign"
    BLOCKED = "blocked"
    REVIEW_HELD = "review_held"
    EVIDENCE_MISSING = "evidence_missing"
    REVIEWER_TO_CLOSE = "reviewer_to_close"
    CLOSED = "closed"


class InHand(msgspec.Struct, frozen=True, kw_only=True):
    """A task that an agent holds now."""

    agent_id: UUID
    task_id: UUID
    title: str
    until: datetime


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The first that waits for an agent about the task, else the last that it got, and how it ended.

    A pull agent is offered it by `next`. `gateway_offline_since` is when the gateway fell silent through which it would hear
    of it, `paused_since` when people paused deliveries, `next_at` when one that failed is tried again, `budget` what lets it not
    run.
    """

    agent_id: UUID
    type: str
    state: str
    reason: str | None
    created_at: datetime
    offered_at: datetime | None
    ended_at: datetime | None
    gateway_offline_since: datetime | None = None
    id: UUID | None = None
    error_class: str | None = None
    next_at: datetime | None = None
    paused_since: datetime | None = None
    budget: Exhausted | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the account; those who are on the task come first."""

    id: UUID
    email: str
    name: str
    role: Role


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer rests on; the scene shows the whole crew. `since` is when the task came to its state.

    `chain` is what led to its quarantine, if it is in one.
    """

    card: Card
    scene: Scene
    in_hand: tuple[InHand, ...] = ()
    told: tuple[Told, ...] = ()
    people: tuple[Person, ...] = ()
    since: datetime | None = None
    chain: tuple[dict[str, Any], ...] = ()


class Who(msgspec.Struct, frozen=True, kw_only=True):
    kind: ActorKind
    name: str
    id: UUID | None = None
    slug: str | None = None
    email: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The verb with which an agent does what the task waits for, and the fields that it still needs."""

    verb: str
    arguments: dict[str, Any] = {}
    needs: tuple[str, ...] = ()


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """`who` can take it away now, each of them by itself; nobody is named where only time or another task does."""

    waits_for: WaitsFor
    words: str
    who: tuple[Who, ...] = ()
    until: datetime | None = None
    details: dict[str, Any] = {}
    step: Step | None = None


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What moves the task next, and what else stands in its way."""

    first: Obstacle
    also: tuple[Obstacle, ...] = ()
