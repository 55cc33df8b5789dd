"""The words of approvals."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.kernel.types import Role


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELED = "canceled"
    STALE = "stale"


class Vote(StrEnum):
    APPROVE = "approve"
    DENY = "deny"


class Obstacle(StrEnum):
    """Why somebody may not cast this voice."""

    SELF_APPROVAL = "self_approval"
    NOT_DELEGATED = "not_delegated"
    ROLE_DENIED = "role_denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What an approval needs; `requester_id` is None when no person asked for it."""

    quorum: int
    min_role: Role
    expires_at: datetime
    requester_id: UUID | None = None
    target_kind: str | None = None
    target_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The voice of a person, cast by the person or by a delegate; the roles are None of who has left the account."""

    person_id: UUID
    role: Role | None
    voter_id: UUID
    voter_role: Role | None
    is_delegated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A vote that was cast; `role` is what the owner of the voice has now."""

    voice_id: UUID
    voter_id: UUID
    role: Role | None
    vote: Vote
