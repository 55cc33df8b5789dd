"""The wire shapes of accounts and tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.accounts.types import LeaseSeconds
from app.kernel.types import ActorKind
from app.kernel.wire import Body, View, in_calendar
from app.policies.types import Evidence, Flags, SelfReview

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]


class AccountEdit(Body):
    """Absent fields stay; `orchestrator_agent_id: null` leaves the account without one."""

    name: Name | UnsetType = UNSET
    orchestrator_agent_id: UUID | None | UnsetType = UNSET
    self_review: SelfReview | UnsetType = UNSET
    legacy_reviewer_fallback: bool | UnsetType = UNSET
    lease_seconds: LeaseSeconds | UnsetType = UNSET
    open_pool: bool | UnsetType = UNSET
    evidence: Evidence | UnsetType = UNSET
    duplicate_guard: bool | UnsetType = UNSET
    defaults: dict[str, bool | None] | UnsetType = UNSET


class AccountView(View):
    id: UUID
    slug: str
    name: str
    orchestrator_agent_id: UUID | None
    orchestrator_is_usable: bool
    self_review: SelfReview
    legacy_reviewer_fallback: bool
    lease_seconds: int
    open_pool: bool
    evidence: Evidence
    duplicate_guard: bool
    defaults: Flags
    version: int
    created_at: datetime


class NewToken(Body):
    """A token for an agent (`agent_slug`) or a person (`email`); one with a `session_id` ends when that session is closed."""

    name: Name
    agent_slug: Annotated[str, Meta(max_length=64)] | None = None
    email: Annotated[str, Meta(max_length=254)] | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    session_id: UUID | None = None

    def __post_init__(self) -> None:
        in_calendar(self.expires_at)


class TokenView(View):
    """`token` is shown once, when it is made."""

    id: UUID
    name: str
    prefix: str
    kind: ActorKind
    principal_id: UUID
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    session_id: UUID | None
    token: str | None = None


class TokenPage(View):
    items: list[TokenView]
    next_cursor: str | None
    limit: int
