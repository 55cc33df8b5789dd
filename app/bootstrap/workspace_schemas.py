"""The wire shapes of agents' workspaces."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.bootstrap.types.workspaces import WorkspaceState
from app.kernel.wire import Body, View

File = Annotated[str, Meta(min_length=1, max_length=1000)]


class WorkspaceView(View):
    """How an agent's workspace stands; `state` is null until it was first written, `digest` is that of the board's files.

    Of the `edited` files the agent's version stays, and the board's lies beside it as `<name>.board`.
    """

    agent_id: UUID
    agent_slug: str
    state: WorkspaceState | None
    path: str | None
    digest: str | None
    files: int
    edited: list[str]
    warnings: list[str]
    problem: str | None
    synced_at: datetime | None
    changed_at: datetime | None


class Restoration(Body):
    """`files` are edited ones of which the board's version is to be taken; unset: all. The agent's stay as `<name>.mine`."""

    files: Annotated[list[File], Meta(min_length=1, max_length=200)] | None = None
