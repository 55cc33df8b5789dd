"""The wire shapes of agents."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.agents.types import Adapter, Capacity, PresenceState, Reach, SessionKind, WakeMinutes, WakeOutcome
from app.kernel.wire import Body, Slug, View
from app.policies.types import Flags, Source
from app.runtime.types import BreakerState

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
Text = Annotated[str, Meta(max_length=50_000)]
# As it is typed: what is nobody's slug is absent like any other.
Called = Annotated[str, Meta(min_length=1, max_length=64)]


class FlagsBody(Body):
    """Each flag is on, off, or null: then the account decides."""

    can_create_tasks: bool | None | UnsetType = UNSET
    can_modify_task_status: bool | None | UnsetType = UNSET
    can_create_documents: bool | None | UnsetType = UNSET
    can_mention_agents: bool | None | UnsetType = UNSET
    is_reviewer: bool | None | UnsetType = UNSET
    can_mark_done: bool | None | UnsetType = UNSET


class NewAgent(Body):
    """`wake_minutes` is how often a gateway agent is woken when there is something for it to do; 0: never.

    `profile` names the executor profile that runs a gateway agent; unset: `default`, or the oldest.
    `identity_folder` names the layers of identity that it shares with others.
    """

    slug: Slug
    name: Name
    role: Name
    description: Text = ""
    soul: Text = ""
    identity_folder: Slug | None = None
    flags: FlagsBody = msgspec.field(default_factory=FlagsBody)
    reach: Reach = Reach.PULL
    capacity: Capacity = 1
    wake_minutes: WakeMinutes = 15
    profile: Slug | None = None


class AgentEdit(Body):
    """`retired: true` takes the agent off duty and closes its sessions.

    `soul` and `identity_folder` are of its identity: what it says itself, and where it is looked for what it does not say.
    """

    name: Name | UnsetType = UNSET
    role: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    soul: Text | UnsetType = UNSET
    identity_folder: Slug | None | UnsetType = UNSET
    flags: FlagsBody | UnsetType = UNSET
    reach: Reach | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET
    wake_minutes: WakeMinutes | UnsetType = UNSET
    profile: Slug | UnsetType = UNSET
    retired: bool | UnsetType = UNSET


class ResolvedView(View):
    value: bool
    source: Source


class EffectiveView(View):
    agent_id: UUID
    slug: str
    is_orchestrator: bool
    flags: dict[str, ResolvedView]


class AgentView(View):
    """`profile` runs a gateway agent; `capacity` is how many tasks it may hold at once.

    `presence` and `seen_at` are null while it was never seen; those of a gateway agent are its gateway's. `interval_seconds` is
    how often it said that it calls.

    `next_wake_at` is when the board looks next whether there is anything for it to do, and `wake_outcome` what came of the last
    look; it is null for an agent that the clock does not wake.
    """

    id: UUID
    slug: str
    name: str
    role: str
    description: str
    identity_folder: str | None
    flags: Flags
    reach: Reach
    profile: str | None
    capacity: int
    wake_minutes: int
    next_wake_at: datetime | None
    wake_outcome: WakeOutcome | None
    skills: list[str]
    is_retired: bool
    is_orchestrator: bool
    is_reviewer: bool
    presence: PresenceState | None
    seen_at: datetime | None
    interval_seconds: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class GatewayView(View):
    """What runs the agents of a profile; `state` is null until something is known, a lease without a sign ends at `until`.

    `origin` is null where nothing is called by its address; `error` is its last trouble since it was seen.
    """

    profile: str
    adapter: Adapter
    origin: str | None
    state: PresenceState | None
    since: datetime | None
    seen_at: datetime | None
    until: datetime | None
    interval_seconds: int | None
    error: str | None
    breaker: BreakerState
    queued_deliveries: int
    agents: int


class GatewayPage(View):
    items: list[GatewayView]
    next_cursor: str | None
    limit: int


class Question(Body):
    """What would be decided if this agent or person did `action`; nothing is done."""

    action: str
    agent_slug: str | None = None
    email: str | None = None
    task_id: UUID | None = None
    status: str | None = None
    assignee_slugs: Annotated[list[str], Meta(max_length=50)] = []


class AnswerView(View):
    decision: str
    rule: str | None = None
    reason: str | None = None
    detail: str | None = None
    flag: str | None = None
    facts: dict[str, Any] = {}


class AgentPage(View):
    items: list[AgentView]
    next_cursor: str | None
    limit: int


class SessionView(View):
    """A session as people see it; of its `key` only the end is shown.

    `identity_sha256` is of the identity that it was last given, and since when; null while none was.
    """

    id: UUID
    kind: SessionKind
    task_id: UUID | None
    generation: int
    key: str
    opened_at: datetime
    closed_at: datetime | None
    closed_reason: str | None
    identity_sha256: str | None
    identity_at: datetime | None


class SessionPage(View):
    items: list[SessionView]
    next_cursor: str | None
    limit: int
