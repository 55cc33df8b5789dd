"""The room's words: how an agent is reached, how much it holds at once, and the kinds of its sessions."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

Capacity = Annotated[int, Meta(ge=1, le=20, description="a whole number from 1 to 20")]


class Reach(StrEnum):
    """A pull agent asks for its work; a gateway agent is woken by a prompt."""

    PULL = "pull"
    GATEWAY = "gateway"


class SessionKind(StrEnum):
    TASK = "task"
    SYSTEM = "system"


class ClosedReason(StrEnum):
    TASK_ARCHIVED = "task_archived"
    TASK_REOPENED = "task_reopened"
    TASK_RESTORED = "task_restored"
    AGENT_RETIRED = "agent_retired"
