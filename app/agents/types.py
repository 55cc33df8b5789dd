"""The room's words: how an agent is reached, how much it holds at once, and the kinds of its sessions."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

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


class PresenceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when an agent falls silent or is seen again."""

    agent_id: UUID
    name: str
    state: PresenceState
    event_id: UUID
