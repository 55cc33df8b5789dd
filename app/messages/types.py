"""The words of a thread."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.tasks.types import Happening

Content = Annotated[str, Meta(min_length=1, max_length=100_000)]


class MessagePosted(Happening, frozen=True, kw_only=True):
    """`mentioned` are the agents and people that the author may and did call by name."""

    message_id: UUID
    content: str
    mentioned: frozenset[UUID]
