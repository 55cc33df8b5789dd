"""The room's words: scopes of tokens."""

from enum import StrEnum


class Scope(StrEnum):
    """`agent` reaches /agent/* and /mcp, `api` reaches /api/v1; a token holds the scopes of its principal's kind only."""

    API = "api"
    AGENT = "agent"
