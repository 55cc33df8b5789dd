"""The room's words: scopes of tokens, and how long a claim may last."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

LeaseSeconds = Annotated[int, Meta(ge=30, le=86_400, description="a whole number from 30 to 86400")]


class Scope(StrEnum):
    """`agent` reaches /agent/* and /mcp, `api` reaches /api/v1; a token holds the scopes of its principal's kind only."""

    API = "api"
    AGENT = "agent"


class OrchestratorNamed(msgspec.Struct, frozen=True, kw_only=True):
    """Told when an agent becomes the account's orchestrator."""

    agent_id: UUID


class AccountChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Told when the name or a setting of the account was edited."""

    fields: tuple[str, ...]
