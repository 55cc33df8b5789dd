"""Sessions: the continuity of an agent on a task, kept in the database."""

import secrets
from uuid import UUID

import msgspec

from app.agents import queries
from app.agents.types import SessionKind
from app.events import service as events
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.policies.types import AgentFacts

KEY_PREFIX = "cbs_"


class _SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: SessionKind
    agent_id: UUID
    task_id: UUID | None
    key: str


def on_task(tx: Transaction, agent: AgentFacts, task_id: UUID) -> UUID:
    """The open session of the agent on the task, opened if there is none; the caller holds the task's lock."""
    if agent.session_id is not None:
        return agent.session_id
    for row in tx.pending(queries.OPEN_SESSIONS):
        if isinstance(row, _SessionRow) and (row.agent_id, row.task_id) == (agent.id, task_id):
            return row.id
    return _open(tx, kind=SessionKind.TASK, agent_id=agent.id, task_id=task_id)


def of_agent(tx: Transaction, agent_id: UUID) -> UUID:
    """Open the system session of a new agent."""
    return _open(tx, kind=SessionKind.SYSTEM, agent_id=agent_id, task_id=None)


def _open(tx: Transaction, *, kind: SessionKind, agent_id: UUID, task_id: UUID | None) -> UUID:
    row = _SessionRow(id=new_id(), kind=kind, agent_id=agent_id, task_id=task_id, key=KEY_PREFIX + secrets.token_urlsafe(24))
    tx.put(queries.OPEN_SESSIONS, row)
    payload = {"kind": kind, "agent_id": agent_id, "task_id": task_id}
    events.record(tx, "board:session:opened", entity=("session", row.id), actor=None, payload=payload)
    return row.id
