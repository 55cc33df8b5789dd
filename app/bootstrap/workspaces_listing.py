"""Agents' workspaces in words for a terminal."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from app.bootstrap import furnishing_orders as orders
from app.bootstrap.queries import workspaces as queries
from app.bootstrap.types.workspaces import WorkspaceState
from app.kernel.transaction import Transaction
from app.kernel.wire import LIMIT_MOST


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace as a line of a terminal."""

    slug: str
    state: WorkspaceState | None
    path: str | None
    files: int | None
    edited: list[str] | None
    problem: str | None

    @property
    def is_failed(self) -> bool:
        return self.state is WorkspaceState.FAILED

    @property
    def sentence(self) -> str:
        if self.state is None:
            return "not written yet"
        if self.is_failed:
            return f"failed: {self.problem}; {self.path}"
        changed = f", changed by the agent: {', '.join(self.edited)}" if self.edited else ""
        return f"{self.state}, {self.files} files{changed}; {self.path}"


async def listed(tx: Transaction) -> AsyncIterator[Listed]:
    """All workspaces of the account by the slugs of their agents."""
    after = ""
    while rows := await tx.rows(queries.ALL, tx.account_id, after, LIMIT_MOST):
        for row in rows:
            yield msgspec.convert(dict(row), Listed)
        after = rows[-1]["slug"]


async def ordered(tx: Transaction, slug: str | None) -> UUID | None:
    """Order that the workspace of the agent with this slug is written, or all; None when there is no such agent."""
    agent_id = await tx.value(queries.AGENT_CALLED, tx.account_id, slug) if slug else None
    return None if slug and agent_id is None else orders.order(tx, agent_id)
