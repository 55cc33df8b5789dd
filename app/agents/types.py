"""The room's words: how an agent is reached, and the kinds of its sessions."""

from enum import StrEnum


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
    AGENT_RETIRED = "agent_retired"
