"""The words of a thread."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from app.tasks.types import Happening

Content = Annotated[str, Meta(min_length=1, max_length=100_000)]
# `pattern` is searched, not matched: one visible character is enough.
Request = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S")]


class MessagePosted(Happening, frozen=True, kw_only=True):
    """`mentioned` are the agents and people that the author may and did call by name; an order wakes no agent."""

    message_id: UUID
    content: str
    mentioned: frozenset[UUID]
    is_order: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a message asks of the board itself, with the words after its name."""

    name: str
    words: str


class ResponseRequested(Happening, frozen=True, kw_only=True):
    """`asked` are the agents that owe an answer, each with the id of the notification that says so."""

    message: str
    asked: Mapping[UUID, UUID]


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The last request of the same asker to the same agent on the same task."""

    asked_at: datetime
    arrived_at: datetime | None = None
    is_answered: bool = False


class Suppression(StrEnum):
    """Why a request is not made again: it has not arrived yet, or it has and was not answered."""

    UNDELIVERED = "undelivered"
    UNANSWERED = "unanswered"
