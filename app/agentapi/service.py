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
from app.policies.capabilities import effective
from app.policies.closing import closers
from app.policies.types import AccountPolicy, AgentFacts, Flag, Flags
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
    policy = effective(_facts(me), account)
    if policy.is_orchestrator or policy.allows(Flag.IS_REVIEWER):
        return await _office(tx, principal, account)
    return None


async def _notice(tx: Transaction, principal: Principal) -> WorkView | None:
    row = await tx.row(queries.NOTIFICATION, tx.account_id, principal.id, OFFER_SECONDS)
    if row is None:
        return None
    tx.write(queries.OFFER, tx.account_id, row["id"])
    fields = {name: row[name] for name in NoticeView.__struct_fields__}
    task = await reading.one(tx, row["task_id"]) if row["task_id"] else None
    return WorkView(kind="notification", reason=WorkReason.NOTIFIED, task=task, notification=NoticeView(**fields), ack=row["id"])


async def _office(tx: Transaction, principal: Principal, account: AccountPolicy) -> WorkView | None:
    if (closable := await _closable(tx, principal, account)) is not None:
        return await _task(tx, closable, WorkReason.REVIEW_WANTED)
    if principal.id != account.orchestrator_agent_id:
        return None
    if row := await tx.row(queries.UNASSIGNED, tx.account_id):
        return await _task(tx, row["id"], WorkReason.UNASSIGNED)
    if row := await tx.row(queries.STUCK, tx.account_id, STUCK_SECONDS):
        return await _task(tx, row["id"], WorkReason.STUCK)
    return None


async def _closable(tx: Transaction, principal: Principal, account: AccountPolicy) -> UUID | None:
    """The first task in review that this agent may close."""
    waiting = await tx.rows(queries.IN_REVIEW, tx.account_id)
    crew = [_facts(row) for row in await tx.rows(queries.CREW, tx.account_id)] if waiting else []
    for row in waiting:
        seen = [msgspec.structs.replace(one, has_acted=one.id in row["acted"]) for one in crew]
        if principal.id in closers(seen, account).ids:
            return UUID(int=row["id"].int)
    return None


def _facts(row: Any) -> AgentFacts:
    flags = msgspec.json.decode(row["flags"], type=Flags)
    return AgentFacts(id=row["id"], slug=row["slug"], name=row["name"], role=row["role"], flags=flags)


async def _task(tx: Transaction, task_id: UUID, reason: WorkReason) -> WorkView:
    return WorkView(kind="task", reason=reason, task=await reading.one(tx, task_id))
