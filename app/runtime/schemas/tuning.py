"""The wire shapes of profiles and their tuning."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.runtime.schemas.settings import Reason, Version

Text = Annotated[str, Meta(max_length=500)]


class ProfileChanges(Body):
    """Absent fields stay as they are, null takes a field back to what is built in; times in seconds."""

    attempts: int | None | UnsetType = UNSET
    base: float | None | UnsetType = UNSET
    factor: float | None | UnsetType = UNSET
    cap: float | None | UnsetType = UNSET
    timeout: float | None | UnsetType = UNSET
    total: float | None | UnsetType = UNSET
    dead_letter: bool | None | UnsetType = UNSET
    alerts: bool | None | UnsetType = UNSET


class ProfileTuning(Body):
    """`expected_version` is 0 for a profile that was never tuned."""

    changes: ProfileChanges
    reason: Reason
    expected_version: Version
    expected_effect: Text | None = None
    rollback_condition: Text | None = None


class ProfileRollback(Body):
    """Version 0 is what is built in."""

    to_version: Version
    reason: Reason


class ProfileNumbers(View):
    attempts: int
    base: float
    factor: float
    cap: float
    timeout: float
    total: float
    dead_letter: bool
    alerts: bool


class ProfileVersionView(View):
    """One version: all its differences from what is built in, and why they were made."""

    version: int
    changes: dict[str, int | float | bool]
    reason: str
    expected_effect: str | None
    rollback_condition: str | None
    restores_version: int | None
    changed_by_kind: ActorKind
    changed_by_id: UUID | None
    created_at: datetime


class ProfileView(View):
    """A profile as it is in force, as it is built in, and its last fifty versions, newest first."""

    name: str
    version: int
    in_force: ProfileNumbers
    built_in: ProfileNumbers
    versions: list[ProfileVersionView]


class ProfilePage(View):
    items: list[ProfileView]
    next_cursor: str | None
    limit: int
