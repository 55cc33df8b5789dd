"""The wire shapes of executor profiles."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.agents.executors import TIMEOUT_LEAST, TIMEOUT_MOST
from app.agents.types import Adapter
from app.kernel.wire import Body, Slug, View

Address = Annotated[str, Meta(min_length=1, max_length=500)]
Timeout = Annotated[int, Meta(ge=TIMEOUT_LEAST, le=TIMEOUT_MOST)]
Failover = Annotated[list[Slug], Meta(max_length=8)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class NewProfile(Body):
    """`url` unset is the environment's gateway; `failover` are the profiles to try after this one, in their order."""

    name: Slug
    adapter: Adapter
    url: Address | None = None
    settings: dict[str, Any] = {}
    timeout_seconds: Timeout | None = None
    failover: Failover = []


class ProfileEdit(Body):
    """Absent fields stay; `settings` replaces all of them."""

    name: Slug | UnsetType = UNSET
    adapter: Adapter | UnsetType = UNSET
    url: Address | None | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    timeout_seconds: Timeout | None | UnsetType = UNSET
    failover: Failover | UnsetType = UNSET
    expected_version: Version | None = None


class ProfileView(View):
    """`agents` are the slugs of those that are run by it first."""

    id: UUID
    name: str
    adapter: Adapter
    url: str | None
    settings: dict[str, Any]
    timeout_seconds: int | None
    failover: list[str]
    agents: list[str]
    version: int
    created_at: datetime
    updated_at: datetime


class ProfilePage(View):
    items: list[ProfileView]
    next_cursor: str | None
    limit: int
