"""The words of authority: behaviour flags, the facts a decision rests on, and the decision itself."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

import msgspec

from app.kernel.types import Role


class Flag(StrEnum):
    CAN_CREATE_TASKS = "can_create_tasks"
    CAN_MODIFY_TASK_STATUS = "can_modify_task_status"
    CAN_CREATE_DOCUMENTS = "can_create_documents"
    CAN_MENTION_AGENTS = "can_mention_agents"
    IS_REVIEWER = "is_reviewer"
    CAN_MARK_DONE = "can_mark_done"


SYSTEM_DEFAULTS: Mapping[Flag, bool] = MappingProxyType(
    {
        Flag.CAN_CREATE_TASKS: False,
        Flag.CAN_MODIFY_TASK_STATUS: True,
        Flag.CAN_CREATE_DOCUMENTS: True,
        Flag.CAN_MENTION_AGENTS: True,
        Flag.IS_REVIEWER: False,
        Flag.CAN_MARK_DONE: False,
    }
)


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What one level says about each flag; None leaves the question to the next level."""

    can_create_tasks: bool | None = None
    can_modify_task_status: bool | None = None
    can_create_documents: bool | None = None
    can_mention_agents: bool | None = None
    is_reviewer: bool | None = None
    can_mark_done: bool | None = None

    def __getitem__(self, flag: Flag) -> bool | None:
        value: bool | None = getattr(self, flag.value)
        return value


class SelfReview(StrEnum):
    """Which agents may not close a task that they worked on: reviewers, the orchestrator too, or none."""

    FORBID = "forbid"
    FORBID_ALL = "forbid_all"
    ALLOW = "allow"


class Evidence(StrEnum):
    """What `done` needs: nothing, a verdict that each criterion is met, or one by a machine or a person."""

    OFF = "off"
    CLAIMED = "claimed"
    CHECKED = "checked"


class AccountPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`lease_seconds` is how long a claim lasts without a heartbeat; `open_pool` lets agents take what nobody was given."""

    defaults: Flags = Flags()
    lease_seconds: int = 900
    open_pool: bool = False
    evidence: Evidence = Evidence.OFF
    duplicate_guard: bool = True
    orchestrator_agent_id: UUID | None = None
    self_review: SelfReview = SelfReview.FORBID
    legacy_reviewer_fallback: bool = True


class Source(StrEnum):
    AGENT = "agent"
    ACCOUNT = "account"
    LEGACY = "legacy"
    DEFAULT = "default"


class Resolved(msgspec.Struct, frozen=True):
    value: bool
    source: Source


class EffectivePolicy(msgspec.Struct, frozen=True):
    flags: Mapping[Flag, Resolved]
    is_orchestrator: bool

    def allows(self, flag: Flag) -> bool:
        return self.flags[flag].value


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One agent of the account; `is_assigned`, `has_acted` and `is_subscribed` are about the task in question.

    `pending_update`: an update of its thread waits for the agent, and nobody has taken it yet.
    """

    id: UUID
    slug: str
    name: str
    role: str
    flags: Flags = Flags()
    is_active: bool = True
    is_assigned: bool = False
    has_acted: bool = False
    is_subscribed: bool = False
    kind: str = "pull"
    session_id: UUID | None = None
    capacity: int = 1
    pending_update: bool = False


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`crew` is every agent of the account, read in the transaction that decides."""

    status: str
    crew: tuple[AgentFacts, ...] = ()


class DocumentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it stands to the caller; a protected one enters prompts."""

    is_protected: bool = False
    is_new: bool = False
    is_author: bool = False
    is_on_its_task: bool = False


class PersonActor(msgspec.Struct, frozen=True):
    id: UUID
    role: Role


class AgentActor(msgspec.Struct, frozen=True):
    facts: AgentFacts
    policy: EffectivePolicy


class SystemActor(msgspec.Struct, frozen=True):
    """The board itself: lease expiry, schedules, sweeps."""


Actor = PersonActor | AgentActor | SystemActor


class Action(StrEnum):
    TASK_CREATE = "task.create"
    TASK_READ = "task.read"
    TASK_UPDATE = "task.update"
    TASK_ASSIGN = "task.assign"
    TASK_MOVE = "task.move"
    TASK_CLOSE = "task.close"
    TASK_REOPEN = "task.reopen"
    TASK_RESTORE = "task.restore"
    TASK_LIFT = "task.lift"
    TASK_ARCHIVE = "task.archive"
    TASK_STOP = "task.stop"
    TASK_MESSAGE = "task.message"
    TASK_SURVEY = "task.survey"
    TASK_CLAIM = "task.claim"
    TASK_EVIDENCE = "task.evidence"
    TASK_LINK = "task.link"
    TASK_COMMIT = "task.commit"
    TASK_RESERVE = "task.reserve"
    DOCUMENTS_READ = "documents.read"
    DOCUMENTS_WRITE = "documents.write"
    DOCUMENTS_DELETE = "documents.delete"
    EVENTS_READ = "events.read"
    AGENTS_READ = "agents.read"
    AGENTS_MENTION = "agents.mention"
    AGENTS_MANAGE = "agents.manage"
    SKILLS_READ = "skills.read"
    SKILLS_MANAGE = "skills.manage"
    REPOSITORIES_READ = "repositories.read"
    REPOSITORIES_MANAGE = "repositories.manage"
    ACCOUNT_READ = "account.read"
    ACCOUNT_MANAGE = "account.manage"
    TOKENS_MANAGE = "tokens.manage"
    POLICIES_EXPLAIN = "policies.explain"
    POLICIES_MANAGE = "policies.manage"
    RUNTIME_READ = "runtime.read"
    RUNTIME_MANAGE = "runtime.manage"
    APPROVALS_READ = "approvals.read"
    APPROVALS_DECIDE = "approvals.decide"
    MEMORY_READ = "memory.read"
    MEMORY_WRITE = "memory.write"


READING: frozenset[Action] = frozenset(
    {*(action for action in Action if action.endswith(".read")), Action.TASK_SURVEY, Action.POLICIES_EXPLAIN}
)


class Reason(StrEnum):
    ROLE_DENIED = "role_denied"
    PERSONS_ONLY = "persons_only"
    AGENT_RETIRED = "agent_retired"
    CAPABILITY_DENIED = "capability_denied"
    ORCHESTRATOR_REQUIRED = "orchestrator_required"
    ORCHESTRATOR_UNSET = "orchestrator_unset"
    REVIEWER_REQUIRED = "reviewer_required"
    SELF_REVIEW = "self_review"
    NOT_ASSIGNED = "not_assigned"
    NOT_AUTHOR = "not_author"
    DOCUMENT_PROTECTED = "document_protected"
    STATUS_NOT_FOR_AGENTS = "status_not_for_agents"
    APPROVAL_REQUIRED = "approval_required"
    KILL_SWITCH = "kill_switch"


class Allowed(msgspec.Struct, frozen=True, tag="allow"):
    rule: str


class Denied(msgspec.Struct, frozen=True, tag="deny"):
    reason: Reason
    detail: str
    flag: Flag | None = None


class NeedsApproval(msgspec.Struct, frozen=True, tag="require_approval"):
    reason: Reason
    detail: str


Decision = Allowed | Denied | NeedsApproval


class ClosingParty(StrEnum):
    REVIEWERS = "reviewers"
    ORCHESTRATOR = "orchestrator"
    NOBODY = "nobody"


class Closers(msgspec.Struct, frozen=True, kw_only=True):
    """The agents who close this task; `barred` worked on it, `obstacle` says why the party is nobody."""

    party: ClosingParty
    ids: tuple[UUID, ...] = ()
    barred: tuple[UUID, ...] = ()
    obstacle: Reason | None = None
