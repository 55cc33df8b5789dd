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


class LeaseKind(StrEnum):
    """Work on a task, or the review of one."""

    WORK = "work"
    REVIEW = "review"


class QuarantineReason(StrEnum):
    """Why the board stopped waking agents about a task: its runs led nowhere, they were too many, or they went in a ring."""

    NO_PROGRESS = "no_progress"
    WAKE_BUDGET = "wake_budget"
    ROUND_AND_ROUND = "round_and_round"


class HandoffKind(StrEnum):
    """How a task changed hands; `progress` are notes for whoever comes next, taken while it is still held."""

    PROGRESS = "progress"
    RELEASE = "release"
    EXPIRY = "expiry"
    REASSIGN = "reassign"
    REVIEW = "review"
    REWORK = "rework"
    BLOCK = "block"


class ReservationMode(StrEnum):
    """`exclusive` is for one task alone; `shared` keeps only those out who want the same files for themselves."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


class WorktreeState(StrEnum):
    """`kept` is one whose task is closed and that stays; of a `removed` one the branch is still there."""

    WANTED = "wanted"
    READY = "ready"
    FAILED = "failed"
    KEPT = "kept"
    REMOVED = "removed"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The repository that a task's work goes to, with the worktree it last had there; `is_live` until that was taken away."""

    id: UUID
    name: str
    has_url: bool
    worktree_id: UUID | None = None
    worktree: WorktreeState | None = None
    problem: str | None = None
    is_live: bool = False


class Verdict(StrEnum):
    """Who vouches for a criterion: the one who did it, a machine, or a person."""

    CLAIMED = "claimed"
    MACHINE_CHECKED = "machine_checked"
    PERSON_CHECKED = "person_checked"


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
    EVIDENCE = "evidence"


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


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """Files that a task wants; `fence` and `until` say under which lease it got them, and until when at most."""

    pattern: str
    mode: ReservationMode
    ttl_seconds: int | None = None
    fence: int | None = None
    until: datetime | None = None


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Files of the same repository that the holder of another task has reserved until then, unless it renews its lease."""

    task_id: UUID
    title: str
    holder: str
    pattern: str
    mode: ReservationMode
    until: datetime


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """The pattern of the task that meets that of a rival."""

    rival: Rival
    mine: str


class LeaseProblem(StrEnum):
    LOST = "lost"
    REQUIRED = "required"
    HELD = "held"
    CAPACITY = "capacity"


class LeaseRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """`holder` holds the task until `until`; `held` is what a caller at its capacity holds."""

    problem: LeaseProblem
    holder: UUID | None = None
    until: datetime | None = None
    held: tuple[UUID, ...] = ()
    capacity: int = 0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A new lease; `starts` also moves the task to `in_progress`."""

    kind: LeaseKind
    starts: bool


class Kept(msgspec.Struct, frozen=True):
    """The caller holds it already."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    agent_id: UUID
    kind: LeaseKind
    fence: int
    until: datetime


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
    parent_id: UUID | None
    lease_agent_id: UUID | None
    lease_kind: LeaseKind | None
    lease_fence: int
    lease_until: datetime | None
    created_by_kind: ActorKind
    created_by_id: UUID | None
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    completed_at: datetime | None
    archived_at: datetime | None
    quarantined_at: datetime | None = None
    quarantine_reason: QuarantineReason | None = None
    repository_id: UUID | None = None
    repository: str | None = None


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A task that another one waits for; one that was archived after it was done counts as done."""

    id: UUID
    title: str
    status: TaskStatus
    is_done: bool


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An open task whose title is close to that of a task to be made."""

    id: UUID
    title: str
    status: TaskStatus
    similarity: float


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """An acceptance criterion with the verdict on it, if there is one."""

    id: UUID
    position: int
    text: str
    verdict: Verdict | None = None
    is_met: bool | None = None
    verdict_by_kind: ActorKind | None = None


class Wake(msgspec.Struct, frozen=True, kw_only=True):
    """The last notification that this actor got about the task, which is taken for the cause of what it does there."""

    id: UUID
    depth: int
    type: str


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One notification of a chain of causes; `seq` is the place in the log of the event that caused it."""

    id: UUID
    type: str
    state: str
    actor_kind: ActorKind
    actor_id: UUID | None
    author: str | None
    recipient_id: UUID
    recipient: str | None
    created_at: datetime
    seq: int | None


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What led to a wake-up, newest first, and where in the log the task last came further."""

    links: tuple[Link, ...]
    progress: int


class Guard(msgspec.Struct, kw_only=True):
    """What was spent on a task when its scene was read, and since then in the same transaction, which all copies share."""

    credits: int | None = None
    wakes: int = 0
    wakes_since: datetime | None = None
    is_quarantined: bool = False
    is_stuck: bool | None = None
    chains: dict[UUID, Chain] = {}


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision about one task rests on, read under its row lock; `waiters` depend on it.

    `conflicts` are what others have reserved of the files that the task wants.
    """

    now: datetime
    account: AccountPolicy
    crew: tuple[AgentFacts, ...]
    people: tuple[PersonFacts, ...]
    wake: Wake | None = None
    dependencies: tuple[Linked, ...] = ()
    open_children: tuple[Linked, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    held: tuple[UUID, ...] = ()
    handoff: str | None = None
    waiters: tuple[UUID, ...] = ()
    duplicates: tuple[Candidate, ...] = ()
    guard: Guard = msgspec.field(default_factory=Guard)
    site: Site | None = None
    reservations: tuple[Reservation, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

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
    reason: str | None = None


class TaskMoved(Happening, frozen=True, kw_only=True):
    start: TaskStatus
    reason: str | None = None
    closers: frozenset[UUID] = frozenset()


class LeaseChanged(Happening, frozen=True, kw_only=True):
    """Told where a lease was given or ended and the task stays in its state."""


class Ended(msgspec.Struct, kw_only=True):
    """What a stop brought to its end beside the task, which the rooms above fill in."""

    notifications: list[UUID] = []
    commands: list[UUID] = []


class TaskStopped(Happening, frozen=True, kw_only=True):
    """Told of a stop, also of a task that was blocked before: `start` is where it was."""

    start: TaskStatus
    reason: str
    ended: Ended


class Tie(StrEnum):
    """Why one task waits for another: it depends on it, it is its parent, or it wants the same files."""

    DEPENDENCY = "dependency"
    CHILD = "child"
    FILES = "files"


class TaskReady(Happening, frozen=True, kw_only=True):
    """The last task that this one waited for, by that tie, is out of its way; `is_freed`: an edit of this one did it."""

    tie: Tie
    is_freed: bool = False


class TaskDelayed(Happening, frozen=True, kw_only=True):
    """What this task waits for, by title, went back to work; `is_stranded`: it was archived before it was done."""

    others: tuple[str, ...]
    is_stranded: bool


class TaskQuarantined(Happening, frozen=True, kw_only=True):
    """The board stopped waking agents about this task."""

    reason: QuarantineReason


class QuarantineLifted(Happening, frozen=True, kw_only=True):
    """A person lets the crew go on."""

    reason: str | None = None
