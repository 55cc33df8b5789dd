"""The words of prompts: everything that one is rendered from, and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.delivery.types import AuthorKind
from app.delivery.types.runs import Tool
from app.delivery.types.templates import TemplateSource
from app.notifications.types import NotificationType
from app.policies.types import Evidence
from app.tasks.types import HandoffKind, TaskStatus, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAgent:
    id: UUID
    slug: str
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptNotification:
    id: UUID
    type: NotificationType
    title: str
    body: str
    status_from: TaskStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCriterion:
    position: int
    text: str
    verdict: Verdict | None = None
    is_met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptHandoff:
    """What a holder or a reviewer left; `parts` are its headings, each with its lines."""

    kind: HandoffKind
    author_kind: AuthorKind
    author_name: str
    at: datetime
    parts: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTask:
    id: UUID
    title: str
    status: TaskStatus
    description: str
    priority: int
    version: int
    labels: tuple[str, ...] = ()
    due: date | datetime | None = None
    blocked_reason: str | None = None
    assigned_slugs: tuple[str, ...] = ()
    criteria: tuple[PromptCriterion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMessage:
    id: UUID
    author_kind: AuthorKind
    author_name: str
    content: str
    at: datetime


class Site(StrEnum):
    """How the worktree of a task stands: there, made at the claim, being made, not to be made, or version control is off."""

    READY = "ready"
    LATER = "later"
    MAKING = "making"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFacts:
    """What the account recorded about its repository; an absent fact is None and never guessed.

    With a task also its worktree; `branch` and `worktree` are set once it is ready.
    """

    name: str | None = None
    url: str | None = None
    base_branch: str | None = None
    branch_prefix: str | None = None
    writable_dir: str | None = None
    notes: str | None = None
    site: Site | None = None
    branch: str | None = None
    worktree: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionableAgent:
    slug: str
    name: str
    role: str
    is_reviewer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStep:
    """One task of a wake-up, and in plain words what moves it next; `by_agent` when the woken agent can do that."""

    id: UUID
    title: str
    status: TaskStatus
    description: str
    moves_next: str
    by_agent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptWakeup:
    """A wake-up by schedule: the agent's own tasks, the first of them with its last messages; the orchestrator sees all."""

    at: datetime
    steps: tuple[PromptStep, ...]
    omitted: int = 0
    focus: UUID | None = None
    thread: tuple[PromptMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptContext:
    """Everything one prompt is rendered from, as plain values; the session key is not among them.

    `unread` is what the agent has not been shown of the thread, without its own words, and `seen` how far it is shown the
    thread now; `tools` are offered with this prompt, and where there are none it acts over HTTP. `identity` says who the agent
    is where it reads that nowhere else; it is the account's own text.
    """

    account_name: str
    agent: PromptAgent
    notification: PromptNotification
    policy: Mapping[str, bool]
    may_close: bool
    is_orchestrator: bool
    base_url: str
    task: PromptTask | None = None
    message: PromptMessage | None = None
    thread: tuple[PromptMessage, ...] = ()
    thread_omitted: int = 0
    repository: RepositoryFacts | None = None
    briefing: str | None = None
    mentionable: tuple[MentionableAgent, ...] = ()
    orchestrator_slug: str | None = None
    person_to_ask: str | None = None
    next_statuses: tuple[TaskStatus, ...] = ()
    handoffs: tuple[PromptHandoff, ...] = ()
    evidence: Evidence = Evidence.OFF
    unread: tuple[PromptMessage, ...] = ()
    unread_omitted: int = 0
    seen: int = 0
    tools: tuple[Tool, ...] = ()
    wakeup: PromptWakeup | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt; `digest` and `size` are of its UTF-8 bytes, `template_version` of its sources.

    `template_source` says whose they are; `seen` is how far it shows the thread, and
    `suspicions` name what looks like an attack in the texts from outside.
    """

    instructions: str
    input: str
    template_version: str
    digest: str
    size: int
    template_source: TemplateSource = TemplateSource.BUILT_IN
    seen: int = 0
    suspicions: tuple[str, ...] = ()
