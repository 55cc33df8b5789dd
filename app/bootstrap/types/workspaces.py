"""The words of agents' workspaces."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

# The slugs of an account and of an agent of it.
Agent = tuple[str, str]

ENVIRONMENT = ".env"
# What of a file's name says whose version lies beside it.
BOARD, MINE = ".board", ".mine"


class WorkspaceState(StrEnum):
    """`removed` is the workspace of an agent that was retired."""

    SYNCED = "synced"
    FAILED = "failed"
    REMOVED = "removed"


class Furnishing(msgspec.Struct, frozen=True):
    """Whose workspace is to be written, all of the account's if it is unset; of `restored` files the board's version is taken."""

    agent_id: UUID | None = None
    restored: tuple[str, ...] = ()


class Piece(msgspec.Struct, frozen=True):
    """A file as the board wants it."""

    content: bytes
    sha256: str
    is_private: bool = False


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the gateway that runs it is told of it; `skills` are all that it may use there."""

    account: str
    slug: str
    name: str
    skills: tuple[str, ...]
    model: str | None = None

    @property
    def agent(self) -> Agent:
        return self.account, self.slug


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the board wrote into one workspace: of each file the SHA-256 of what it may hold, two while it is being written.

    It tells the board's words from the agent's, and lies where no agent writes.
    """

    agent_id: UUID
    files: dict[str, list[Sha256]] = {}
    place: Place | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do so that a workspace is as it should be; `writes` name the piece, and `edited` are the agent's and stay.

    `intended` is the manifest's list before anything is touched, `final` the one after all is done.
    """

    writes: Mapping[str, str]
    removes: tuple[str, ...]
    moves: tuple[str, ...]
    edited: tuple[str, ...]
    intended: Mapping[str, list[str]]
    final: Mapping[str, list[str]]
