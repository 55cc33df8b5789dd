"""Sessions: the continuity of an agent on a task, kept in the database."""

import secrets
from collections.abc import Iterable
from uuid import UUID

import msgspec

from app.agents import queries
from app.agents.types import ClosedReason, SessionKind
from app.events import service as events
from app.kernel.errors import Unauthenticated
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import BOARD
from app.policies.types import AgentFacts

KEY_PREFIX = "cbs_"
SHOWN = 4


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


def close_on_task(tx: Transaction, task_id: UUID, crew: Iterable[AgentFacts], reason: ClosedReason) -> None:
    """Close every session on the task; calls of the crew that wait in one look again, and find it closed."""
    tx.put(queries.CLOSE_TASK_SESSIONS, {"task_id": task_id, "reason": reason})
    for agent in crew:
        if agent.session_id is not None:
            tx.wake(BOARD, agent.id)


async def continued(tx: Transaction, principal: Principal, key: str | None) -> Principal:
    """The principal with the session that it says it goes on with; foreign, closed and unknown keys are refused alike."""
    if key is None:
        return principal
    # The database takes no NUL, and no key was ever made of anything but plain characters.
    is_plain = key.isascii() and key.isprintable()
    session_id = await tx.value(queries.OPEN_SESSION, tx.account_id, principal.id, key) if is_plain else None
    if session_id is None or principal.session_id not in (None, session_id):
        raise Unauthenticated("this session key is of no open session of yours", reason="session_unknown")
    return msgspec.structs.replace(principal, session_id=session_id)


def redacted(key: str) -> str:
    return f"…{key[-SHOWN:]}"


def of_agent(tx: Transaction, agent_id: UUID) -> UUID:
    """Open the system session of an agent that has none."""
    return _open(tx, kind=SessionKind.SYSTEM, agent_id=agent_id, task_id=None)


def _open(tx: Transaction, *, kind: SessionKind, agent_id: UUID, task_id: UUID | None) -> UUID:
    row = _SessionRow(id=new_id(), kind=kind, agent_id=agent_id, task_id=task_id, key=KEY_PREFIX + secrets.token_urlsafe(24))
    tx.put(queries.OPEN_SESSIONS, row)
    payload = {"kind": kind, "agent_id": agent_id, "task_id": task_id}
    events.record(tx, "board:session:opened", entity=("session", row.id), actor=None, payload=payload)
    return row.id
