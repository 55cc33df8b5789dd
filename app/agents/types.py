"""The room's words: how an agent is reached, how much it holds at once, and the kinds of its sessions."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

WakeMinutes = Annotated[int, Meta(ge=0, le=1440, description="a whole number from 0 to 1440")]
Interval = Annotated[
    int, Meta(ge=5, le=3600, description="how many seconds at most lie between two calls of this agent, from 5 to 3600")
]
Capacity = Annotated[int, Meta(ge=1, le=20, description="a whole number from 1 to 20")]


class Reach(StrEnum):
    """A pull agent asks for its work; a gateway agent is woken by a prompt."""

    PULL = "pull"
    GATEWAY = "gateway"


class Adapter(StrEnum):
    """How an executor profile reaches its agents' models."""

    RESPONSES = "responses"
    CHAT = "chat"
    PROCESS = "process"
    MCP = "mcp"
    SCRIPTED = "scripted"


class SessionKind(StrEnum):
    TASK = "task"
    SYSTEM = "system"


class PresenceState(StrEnum):
    """Whether an agent was seen lately; of one that was never seen nothing is known."""

    ONLINE = "online"
    OFFLINE = "offline"


class ClosedReason(StrEnum):
    TASK_ARCHIVED = "task_archived"
    TASK_REOPENED = "task_reopened"
    TASK_RESTORED = "task_restored"
    AGENT_RETIRED = "agent_retired"


class AgentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when an agent was hired or edited."""

    agent_id: UUID
    reach: Reach
    is_retired: bool = False


class WakeOutcome(StrEnum):
    """What came of looking whether there is anything to do for an agent."""

    WOKEN = "woken"
    NOTHING_TO_DO = "nothing_to_do"
    UNCHANGED = "unchanged"
    TOO_SOON = "too_soon"
    ALREADY_QUEUED = "already_queued"
    NEVER_WOKEN = "never_woken"
    STOPPED = "stopped"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about an agent; `fresh` are the tasks that are new or changed, `until` when unchanged ones are shown again."""

    outcome: WakeOutcome
    fresh: frozenset[UUID] = frozenset()
    until: datetime | None = None
    pauses: int = 0


class PresenceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when an agent falls silent or is seen again."""

    agent_id: UUID
    name: str
    state: PresenceState
    event_id: UUID


class GatewayChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when what runs the agents of a profile falls silent or answers again."""

    profile_id: UUID
    name: str
    state: PresenceState
    event_id: UUID


class Layer(StrEnum):
    """The layers of an identity, in the order of their precedence."""

    SOUL = "soul"
    AGENT = "agent"
    IDENTITY = "identity"
    USER = "user"


class LayerScope(StrEnum):
    """Whose a layer is, in the order in which it is looked for."""

    AGENT = "agent"
    FOLDER = "folder"
    SHARED = "shared"


class Approval(StrEnum):
    """Whether a skill's text was approved as it is."""

    NOT_REQUIRED = "not_required"
    PENDING = "pending"
    APPROVED = "approved"


class Approving(StrEnum):
    """Whether somebody may approve a text: another's, their own as the only admin there is, or not."""

    BY_ANOTHER = "by_another"
    ALONE = "alone"
    REFUSED = "refused"


class SkillFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a skill's use depends on; an approval is of one version."""

    version: int = 1
    is_enabled: bool = True
    requires_approval: bool = False
    approved_version: int | None = None
    approved_by_id: UUID | None = None
    edited_by_id: UUID | None = None


class IdentityChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when layers of identity were written or taken away; without `agent_ids` it may concern every agent."""

    agent_ids: tuple[UUID, ...] | None = None


class SkillsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when what these agents are taught has changed; without `agent_ids` it may concern every agent."""

    agent_ids: tuple[UUID, ...] | None = None


class ProfileChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when an executor profile was edited."""

    profile_id: UUID
