"""What one agent should do now; reading it claims nothing."""

from typing import Any
from uuid import UUID

import msgspec

from app.agentapi import queries
from app.agentapi.schemas import NoticeView, WorkReason, WorkView
from app.agents.types import Reach
from app.kernel.errors import Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.notifications import queries as notifications
from app.policies.closing import closers
from app.policies.types import AccountPolicy, AgentFacts, Flags
from app.tasks import reading
from app.tasks.types import TaskStatus

OFFER_SECONDS = 60.0
STUCK_SECONDS = 900.0


async def acknowledge(tx: Transaction, principal: Principal, ids: list[UUID]) -> None:
    if ids:
        tx.write(notifications.ACKNOWLEDGE, tx.account_id, principal.id, ids)


async def work(tx: Transaction, principal: Principal) -> WorkView | None:
    """The first thing that waits for this agent: a notification, its own cards, then what its office looks after."""
    await tx.flush()
    me = await tx.row(queries.SELF, tx.account_id, principal.id)
    if me is None:
        raise Missing.thing("agent", principal.id)
    if me["reach"] == Reach.PULL and (notice := await _notice(tx, principal)):
        return notice
    own = await tx.row(queries.OWN, tx.account_id, principal.id)
    if own is not None:
        reason = WorkReason.IN_PROGRESS if own["status"] == TaskStatus.IN_PROGRESS else WorkReason.ASSIGNED
        return await _task(tx, own["id"], reason)
    account = msgspec.json.decode(me["settings"], type=AccountPolicy)
    return await _office(tx, principal, account)


async def _notice(tx: Transaction, principal: Principal) -> WorkView | None:
    row = await tx.row(queries.NOTIFICATION, tx.account_id, principal.id, OFFER_SECONDS)
    if row is None:
        return None
    tx.write(queries.OFFER, tx.account_id, row["id"])
    fields = {name: row[name] for name in NoticeView.__struct_fields__}
    task = await reading.one(tx, row["task_id"]) if row["task_id"] else None
    return WorkView(kind="notification", reason=WorkReason.NOTIFIED, task=task, notification=NoticeView(**fields), ack=row["id"])


async def _office(tx: Transaction, principal: Principal, account: AccountPolicy) -> WorkView | None:
    for row in await tx.rows(queries.IN_REVIEW, tx.account_id):
        crew = [_facts(one) for one in await tx.rows(queries.CREW, tx.account_id, row["id"])]
        if principal.id in closers(crew, account).ids:
            return await _task(tx, row["id"], WorkReason.REVIEW_WANTED)
    if principal.id != account.orchestrator_agent_id:
        return None
    if row := await tx.row(queries.UNASSIGNED, tx.account_id):
        return await _task(tx, row["id"], WorkReason.UNASSIGNED)
    if row := await tx.row(queries.STUCK, tx.account_id, STUCK_SECONDS):
        return await _task(tx, row["id"], WorkReason.STUCK)
    return None


def _facts(row: Any) -> AgentFacts:
    return AgentFacts(**(dict(row) | {"flags": msgspec.json.decode(row["flags"], type=Flags)}))


async def _task(tx: Transaction, task_id: UUID, reason: WorkReason) -> WorkView:
    return WorkView(kind="task", reason=reason, task=await reading.one(tx, task_id))
