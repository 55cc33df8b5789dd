"""The words of the cards: states, bounded text, and what a move comes to."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from app.kernel.types import ActorKind, Principal
from app.policies.types import AccountPolicy, AgentFacts


class TaskStatus(StrEnum):
    INBOX = "inbox"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    REVIEW = "review"
    DONE = "done"
    BLOCKED = "blocked"
    ARCHIVED = "archived"


# `pattern` is searched, not matched: one visible character is enough. The wire refuses NUL for all text.
Title = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
Description = Annotated[str, Meta(max_length=100_000)]
Reason = Annotated[str, Meta(min_length=1, max_length=2000)]
Label = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"\S")]
Labels = Annotated[list[Label], Meta(max_length=20)]
Priority = Annotated[int, Meta(ge=1, le=5)]


class Requirement(StrEnum):
    ASSIGNEE = "assignee"
    NO_ASSIGNEE = "no_assignee"
    BLOCKED_REASON = "blocked_reason"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    start: TaskStatus
    goal: TaskStatus
    clears_reason: bool = False


class Illegal(msgspec.Struct, frozen=True, kw_only=True):
    """`start` is None where the task was to be born in `goal`."""

    start: TaskStatus | None
    goal: TaskStatus
    allowed: tuple[TaskStatus, ...]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    requirement: Requirement
    detail: str


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """Assignees of a done or archived task do not change."""

    status: TaskStatus


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """`assign_creator` adds the creator to the assignees; `drop_creator` takes the orchestrator off the list it named."""

    status: TaskStatus
    assign_creator: bool = False
    drop_creator: bool = False


class PersonFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One person of the account, seen from the task in question."""

    id: UUID
    email: str
    handle: str
    name: str
    is_assigned: bool = False
    is_subscribed: bool = False


Member = AgentFacts | PersonFacts


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it is in the database."""

    id: UUID
    title: str
    description: str
    status: TaskStatus
    priority: int
    labels: tuple[str, ...]
    due_at: datetime | None
    blocked_reason: str | None
    version: int
    is_coordination: bool
    created_by_kind: ActorKind
    created_by_id: UUID | None
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    completed_at: datetime | None
    archived_at: datetime | None


class Wake(msgspec.Struct, frozen=True, kw_only=True):
    """The last notification that this actor got about the task, which is taken for the cause of what it does there."""

    id: UUID
    depth: int
    type: str


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision about one task rests on, read under its row lock."""

    now: datetime
    account: AccountPolicy
    crew: tuple[AgentFacts, ...]
    people: tuple[PersonFacts, ...]
    wake: Wake | None = None

    def agent(self, agent_id: UUID | None) -> AgentFacts | None:
        return next((agent for agent in self.crew if agent.id == agent_id), None)

    @property
    def assigned_agents(self) -> tuple[AgentFacts, ...]:
        return tuple(agent for agent in self.crew if agent.is_assigned)

    @property
    def assigned_people(self) -> tuple[PersonFacts, ...]:
        return tuple(person for person in self.people if person.is_assigned)

    @property
    def assigned(self) -> tuple[Member, ...]:
        return (*self.assigned_agents, *self.assigned_people)

    @property
    def everyone(self) -> tuple[Member, ...]:
        return (*self.crew, *self.people)

    @property
    def assignees(self) -> int:
        return len(self.assigned)


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that just became true of a task, told to the rooms above with the facts it was decided on."""

    event_id: UUID
    card: Card
    scene: Scene
    actor: Principal
    depth: int


class TaskCreated(Happening, frozen=True, kw_only=True):
    assigned: frozenset[UUID] = frozenset()


class TaskAssigned(Happening, frozen=True, kw_only=True):
    added: frozenset[UUID]
    removed: frozenset[UUID]
    start: TaskStatus


class TaskMoved(Happening, frozen=True, kw_only=True):
    start: TaskStatus
    reason: str | None = None
    closers: frozenset[UUID] = frozenset()
