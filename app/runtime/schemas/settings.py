"""The wire shapes of settings and pauses."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.runtime.types import PauseKind, SettingKind

Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class SettingChange(Body):
    """`expected_version` is 0 for a setting that was never set."""

    value: bool | int
    reason: Reason
    expected_version: Version | None = None


class SettingView(View):
    """One setting; while it is not set, `value` is its default. Who changed it last, when and why stays with it."""

    name: str
    kind: SettingKind
    description: str
    affects: str
    default: bool | int
    value: bool | int
    least: int | None
    most: int | None
    is_set: bool
    version: int = 0
    reason: str | None = None
    changed_by_kind: ActorKind | None = None
    changed_by_id: UUID | None = None
    changed_at: datetime | None = None


class SettingPage(View):
    items: list[SettingView]
    next_cursor: str | None
    limit: int


class NewPause(Body):
    """What is not to be started: everything, one queue, or one type of command."""

    kind: PauseKind
    reason: Reason
    name: Annotated[str, Meta(max_length=100)] = ""


class PauseView(View):
    """`held` counts the commands that wait because of it, and `waiting_lanes` the lanes, each up to ten thousand.

    `paused_by_kind` is `system` for the pause of a kill switch, which ends with its switch.
    """

    kind: PauseKind
    name: str
    reason: str
    paused_by_kind: ActorKind
    paused_by_id: UUID | None
    created_at: datetime
    held: int = 0
    waiting_lanes: int = 0


class PausePage(View):
    items: list[PauseView]
    next_cursor: str | None
    limit: int
