"""The cards of the board, who is on them and who follows them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, check, enum_column, json_column, tenant_key
from app.kernel.types import ActorKind
from app.tasks.types import HandoffKind, LeaseKind, ReservationMode, TaskStatus, Verdict, WorktreeState


class Task(SQLModel, table=True):
    """`version` grows with every change of the card and is the sequence of its event stream."""

    __tablename__ = "tasks"
    __table_args__ = (
        tenant_key("lease_agent_id", "agents", name="tasks_lease_agent_fkey"),
        tenant_key("parent_id", "tasks", name="tasks_parent_fkey"),
        tenant_key("repository_id", "repositories", name="tasks_repository_fkey"),
        check("priority BETWEEN 1 AND 5", name="tasks_priority_check"),
        check("(status = 'blocked') = (blocked_reason IS NOT NULL)", name="tasks_blocked_reason_check"),
        check("parent_id <> id", name="tasks_parent_check"),
        check(
            "(lease_agent_id IS NULL) = (lease_kind IS NULL) AND (lease_agent_id IS NULL) = (lease_until IS NULL)",
            name="tasks_lease_check",
        ),
        Index("tasks_parent_idx", "account_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("tasks_lease_idx", "account_id", "lease_agent_id", postgresql_where=text("lease_agent_id IS NOT NULL")),
        Index(
            "tasks_pool_idx", "account_id", "priority", "id", postgresql_where=text("status = 'inbox' AND NOT is_coordination")
        ),
        check("(quarantined_at IS NULL) = (quarantine_reason IS NULL)", name="tasks_quarantine_check"),
        Index("tasks_newest_idx", "account_id", "id"),
        Index("tasks_board_idx", "account_id", "status", "id"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    title: str
    description: str = ""
    status: TaskStatus = Field(sa_column=enum_column(TaskStatus, name="tasks_status_check"))
    priority: int = Field(default=3, sa_type=SmallInteger)
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    due_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    blocked_reason: str | None = None
    version: int = 1
    is_coordination: bool = False
    created_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="tasks_created_by_kind_check"))
    created_by_id: UUID | None = None
    parent_id: UUID | None = None
    lease_agent_id: UUID | None = None
    lease_kind: LeaseKind | None = Field(
        default=None, sa_column=enum_column(LeaseKind, name="tasks_lease_kind_check", nullable=True)
    )
    lease_fence: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    lease_until: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    last_message_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    completed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    archived_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    message_count: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    quarantined_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    quarantine_reason: str | None = None
    repository_id: UUID | None = None


class TaskGuard(SQLModel, table=True):
    """What keeps a task from going round: fruitless runs it may still have, and wake-ups of agents since `wakes_since`.

    `spent_for` is the latest run whose consequences cost a credit, which they do once; `cause_id` is the notification at which
    it was quarantined; without a row nothing was spent yet.
    """

    __tablename__ = "task_guards"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_guards_task_fkey"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    credits: int = Field(sa_type=SmallInteger)
    spent_for: UUID | None = None
    wakes: int = Field(default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"})
    wakes_since: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    cause_id: UUID | None = None


class TaskAssignee(SQLModel, table=True):
    """One stint of an agent or a person on a task; it stays when it ends, because it bars from self-review."""

    __tablename__ = "task_assignees"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_assignees_task_fkey"),
        tenant_key("agent_id", "agents", name="task_assignees_agent_fkey"),
        tenant_key("person_id", "people", name="task_assignees_person_fkey"),
        check("(person_id IS NULL) <> (agent_id IS NULL)", name="task_assignees_principal_check"),
        Index(
            "task_assignees_current_agent_idx",
            "account_id",
            "task_id",
            "agent_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL AND agent_id IS NOT NULL"),
        ),
        Index(
            "task_assignees_current_person_idx",
            "account_id",
            "task_id",
            "person_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL AND person_id IS NOT NULL"),
        ),
        Index("task_assignees_task_idx", "account_id", "task_id"),
        Index(
            "task_assignees_open_idx",
            "account_id",
            "agent_id",
            "task_id",
            postgresql_where=text("removed_at IS NULL AND NOT is_closed"),
        ),
        Index("task_assignees_work_idx", "account_id", "agent_id", "task_id", postgresql_where=text("removed_at IS NULL")),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    agent_id: UUID | None = None
    person_id: UUID | None = None
    assigned_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="task_assignees_by_kind_check"))
    assigned_by_id: UUID | None = None
    assigned_at: datetime = Field(sa_column=at_column())
    acted_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    is_closed: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    removed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class TaskSubscriber(SQLModel, table=True):
    """Who hears what is said on a task."""

    __tablename__ = "task_subscribers"
    __table_args__ = (tenant_key("task_id", "tasks", name="task_subscribers_task_fkey"),)

    account_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    principal_id: UUID = Field(primary_key=True)
    principal_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="task_subscribers_kind_check"))
    created_at: datetime = Field(sa_column=at_column())


class TaskDependency(SQLModel, table=True):
    """`task_id` waits for `depends_on_id`."""

    __tablename__ = "task_dependencies"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_dependencies_task_fkey"),
        tenant_key("depends_on_id", "tasks", name="task_dependencies_depends_on_fkey"),
        check("task_id <> depends_on_id", name="task_dependencies_self_check"),
        Index("task_dependencies_waiting_idx", "account_id", "depends_on_id"),
    )

    account_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    depends_on_id: UUID = Field(primary_key=True)
    created_at: datetime = Field(sa_column=at_column())


class TaskHandoff(SQLModel, table=True):
    """What one holder leaves to the next; notes taken while holding are the one `progress` row of that fence."""

    __tablename__ = "task_handoffs"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_handoffs_task_fkey"),
        Index("task_handoffs_task_idx", "account_id", "task_id", "id"),
        Index(
            "task_handoffs_progress_idx",
            "account_id",
            "task_id",
            "fence",
            unique=True,
            postgresql_where=text("kind = 'progress'"),
        ),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    kind: HandoffKind = Field(sa_column=enum_column(HandoffKind, name="task_handoffs_kind_check"))
    fence: int | None = Field(default=None, sa_type=BigInteger)
    author_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="task_handoffs_author_kind_check"))
    author_id: UUID | None = None
    author_name: str
    content: dict[str, Any] = Field(sa_column=json_column())
    created_at: datetime = Field(sa_column=at_column())


class TaskCriterion(SQLModel, table=True):
    """One acceptance criterion, and the verdict on it."""

    __tablename__ = "task_criteria"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_criteria_task_fkey"),
        UniqueConstraint("account_id", "task_id", "position", name="task_criteria_position_key"),
        check("(verdict IS NULL) = (is_met IS NULL)", name="task_criteria_met_check"),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    position: int = Field(sa_type=SmallInteger)
    text: str
    verdict: Verdict | None = Field(
        default=None, sa_column=enum_column(Verdict, name="task_criteria_verdict_check", nullable=True)
    )
    is_met: bool | None = None
    note: str | None = None
    artifact: str | None = None
    artifact_hash: str | None = None
    verdict_by_kind: ActorKind | None = Field(
        default=None, sa_column=enum_column(ActorKind, name="task_criteria_by_kind_check", nullable=True)
    )
    verdict_by_id: UUID | None = None
    verdict_by_name: str | None = None
    verdict_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class TaskVcsRef(SQLModel, table=True):
    """A change request or commit elsewhere that belongs to the task."""

    __tablename__ = "task_vcs_refs"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_vcs_refs_task_fkey"),
        UniqueConstraint("account_id", "task_id", "ref", name="task_vcs_refs_ref_key"),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    ref: str
    provider: str
    repository: str | None = None
    number: int | None = None
    url: str | None = None
    added_by_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="task_vcs_refs_by_kind_check"))
    added_by_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())


class TaskText(SQLModel, table=True):
    """What search reads of a task, apart from the card so that moving it touches no text index until it is closed."""

    __tablename__ = "task_texts"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_texts_task_fkey"),
        Index(
            "task_texts_words_idx",
            "account_id",
            "is_archived",
            "words",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": "1024"},
        ),
        Index(
            "task_texts_title_idx",
            "account_id",
            "title",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
            postgresql_where=text("is_open"),
            postgresql_with={"gin_pending_list_limit": "1024"},
        ),
        Index("task_texts_key_idx", "account_id", "title_key", "task_id", postgresql_where=text("is_open")),
    )

    account_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    title: str
    title_key: UUID
    words: str = Field(sa_column=Column(TSVECTOR, nullable=False))
    is_open: bool
    is_archived: bool


class TaskWorktree(SQLModel, table=True):
    """Where the work on a task is done: its branch and worktree, and what was last seen of them.

    The latest row of a task and repository counts; branch and path are settled when it is made, `gateway_path` is the path as the
    gateway and its agents see it. `base` is the commit that the branch started from; `commits` are the newest.
    """

    __tablename__ = "task_worktrees"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="task_worktrees_task_fkey"),
        tenant_key("repository_id", "repositories", name="task_worktrees_repository_fkey"),
        Index(
            "task_worktrees_live_idx",
            "account_id",
            "task_id",
            "repository_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index("task_worktrees_task_idx", "account_id", "task_id", "id"),
        Index("task_worktrees_repository_idx", "account_id", "repository_id", "id"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    repository_id: UUID
    branch: str | None = None
    path: str | None = None
    gateway_path: str | None = None
    state: WorktreeState = Field(sa_column=enum_column(WorktreeState, name="task_worktrees_state_check"))
    base: str | None = None
    head: str | None = None
    ahead: int | None = None
    behind: int | None = None
    unpushed: int | None = None
    files: int | None = None
    insertions: int | None = None
    deletions: int | None = None
    changes: int | None = None
    commits: list[Any] = Field(sa_column=json_column(default="[]"))
    pushed_head: str | None = None
    rescued: str | None = None
    problem: str | None = None
    observed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    changed_at: datetime = Field(sa_column=at_column())
    removed_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class FileReservation(SQLModel, table=True):
    """Files of a repository that a task wants for itself or shares; in force while the lease `fence` lasts, or `until`.

    Without a fence it is a wish that the next claim makes good.
    """

    __tablename__ = "file_reservations"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="file_reservations_task_fkey"),
        tenant_key("repository_id", "repositories", name="file_reservations_repository_fkey"),
        UniqueConstraint("account_id", "task_id", "pattern", name="file_reservations_pattern_key"),
        check("ttl_seconds BETWEEN 30 AND 604800", name="file_reservations_ttl_check"),
    )

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    task_id: UUID
    repository_id: UUID | None = None
    pattern: str
    mode: ReservationMode = Field(sa_column=enum_column(ReservationMode, name="file_reservations_mode_check"))
    ttl_seconds: int | None = None
    fence: int | None = Field(default=None, sa_type=BigInteger)
    until: datetime | None = Field(default=None, sa_column=at_column(nullable=True))
    created_at: datetime = Field(sa_column=at_column())
