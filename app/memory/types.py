"""The words of memory: whose it is, and what a version of it is."""

from enum import StrEnum


class Scope(StrEnum):
    """Who shares an item: one run of work, one agent, or one person."""

    RUN = "run"
    AGENT = "agent"
    USER = "user"


class Tier(StrEnum):
    WORKING = "working"
    LONG_TERM = "long_term"


class MemoryState(StrEnum):
    ACTIVE = "active"
    DELETED = "deleted"
