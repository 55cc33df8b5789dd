"""What a row of the log holds before it has its number."""

import re
from typing import Any
from uuid import UUID

import msgspec

TYPE = re.compile(r"[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`type` is `domain:entity:action`; `sequence` is the entity's own version, given under its row lock."""

    event_id: UUID
    type: str
    entity_kind: str
    entity_id: UUID
    sequence: int
    actor_kind: str
    actor_id: UUID | None
    source: str
    cause_id: UUID | None
    depth: int
    request_id: str
    correlation_id: str
    payload: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The events that a reader asks for; `type_prefix` is how their type starts, None wants all."""

    type_prefix: str | None = None
    entity_kind: str | None = None
    entity_id: UUID | None = None


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the log that was read: what was wanted of it, where it ends, and whether more is behind it."""

    frames: bytes
    position: int
    is_more: bool
