"""What one agent should do now; reading it claims nothing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.agentapi import queries
from app.agentapi.schemas import NoticeView, WorkReason, WorkView
from app.kernel.errors import Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies import legacy
from app.policies.capabilities import effective, is_orchestrator, is_reviewer
from app.policies.closing import may_close
from app.policies.types import AccountPolicy, AgentFacts, Allowed, EffectivePolicy, Flag, Flags
from app.tasks import hints, reserving, scenes
from app.tasks.schemas import LeaseView
from app.tasks.types import Card, Scene, TaskStatus

OFFER_SECONDS = 60.0
STUCK_SECONDS = 900.0
# How often it looks for a task whose files nobody has, each time without all those that it saw.
PASSES_MOST = 5
STARTS = frozenset({WorkReason.IN_PROGRESS, WorkReason.ASSIGNED, WorkReason.OPEN_POOL})

Choice = tuple[UUID, WorkReason]


class _Taken(msgspec.Struct, frozen=True):
    """A task that the agent could begin if others did not have its files."""

    task_id: UUID


class _Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A task in review that nobody holds, and who worked on it."""

    id: UUID
    acted: frozenset[UUID]


async def work(tx: Transaction, principal: Principal, *, acks: Sequence[UUID] = ()) -> WorkView | None:
    """The first thing that waits for this agent: a notification, what it may begin, its office, and what it holds already."""
    passed: frozenset[UUID] = frozenset()
    for _ in range(PASSES_MOST):
        found = await _looked(tx, principal, acks, passed)
        if not isinstance(found, _Taken):
            return found
        passed = await reserving.passed_over(tx, principal.id, passed | {found.task_id})
    return None


async def _looked(
    tx: Transaction, principal: Principal, acks: Sequence[UUID], passed: frozenset[UUID]
) -> "WorkView | _Taken | None":
    row = await tx.row(queries.NEXT, tx.account_id, principal.id, list(acks), OFFER_SECONDS, list(passed))
    if row is None:
        raise Missing.thing("agent", principal.id)
    held = scenes.read_json(row["held"], list[LeaseView])
    if row["notice_id"] is not None:
        return await _notified(tx, principal, row, held)
    chosen = await _chosen(tx, row, held)
    if chosen is None:
        return None
    task_id, reason = chosen
    card, scene, found = await _shown(tx, principal, task_id, WorkView(kind="task", reason=reason, task=None, held=held))
    return _Taken(card.id) if reason in STARTS and scene.conflicts else found


def identity(work: WorkView | None) -> object:
    """What makes one answer another: not how long a lease lasts, because every heartbeat changes that."""
    if work is None:
        return None
    held = [(one.task_id, one.fence) for one in work.held]
    task = work.task and (work.task.id, work.task.version, work.task.next_actions)
    return (work.kind, work.reason, work.ack, task, work.session_key, held)


async def _notified(tx: Transaction, principal: Principal, row: Any, held: list[LeaseView]) -> WorkView:
    fields = {name: row[name] for name in NoticeView.__struct_fields__ if name != "id"}
    notice = NoticeView(id=row["notice_id"], **fields)
    found = WorkView(kind="notification", reason=WorkReason.NOTIFIED, task=None, notification=notice, ack=notice.id, held=held)
    return found if row["task_id"] is None else (await _shown(tx, principal, row["task_id"], found))[2]


async def _chosen(tx: Transaction, row: Any, held: list[LeaseView]) -> Choice | None:
    """Something new while the agent has room for it, otherwise what it holds, that which runs out first."""
    if row["own_id"] is not None:
        is_begun = row["own_status"] == TaskStatus.IN_PROGRESS
        return row["own_id"], WorkReason.IN_PROGRESS if is_begun else WorkReason.ASSIGNED
    account = legacy.in_force(tx, row["settings"])
    policy = effective(_facts(row), account)
    if row["is_free"] and (found := await _new(tx, row, policy, account)):
        return found
    return (held[0].task_id, WorkReason.HELD) if held else None


async def _new(tx: Transaction, row: Any, policy: EffectivePolicy, account: AccountPolicy) -> Choice | None:
    if policy.is_orchestrator or policy.allows(Flag.IS_REVIEWER):
        office = await tx.row(queries.OFFICE, tx.account_id, policy.is_orchestrator, STUCK_SECONDS)
        if found := _of_office(row["id"], office, account):
            return found
    # The orchestrator hands out what is in the pool; the others take it.
    may_take = policy.allows(Flag.CAN_MODIFY_TASK_STATUS) and not policy.is_orchestrator
    return (row["pool_id"], WorkReason.OPEN_POOL) if may_take and row["pool_id"] is not None else None


def _of_office(agent_id: UUID, office: Any, account: AccountPolicy) -> Choice | None:
    if closable := _closable(agent_id, office, account):
        return closable, WorkReason.REVIEW_WANTED
    if office["unassigned"] is not None:
        return office["unassigned"], WorkReason.UNASSIGNED
    return (office["stuck"], WorkReason.STUCK) if office["stuck"] is not None else None


def _closable(agent_id: UUID, office: Any, account: AccountPolicy) -> UUID | None:
    """The first task in review that this agent may close."""
    crew = scenes.read_json(office["crew"], tuple[AgentFacts, ...])
    judges = [one for one in crew if is_orchestrator(one, account) or is_reviewer(one, account)]
    known = frozenset(one.id for one in judges)
    asked: dict[frozenset[UUID], bool] = {}
    in_review: tuple[_Waiting, ...] = scenes.read_json(office["review"], tuple[_Waiting, ...])
    for waiting in in_review:
        acted = waiting.acted & known
        if acted not in asked:
            seen = [msgspec.structs.replace(one, has_acted=one.id in acted) for one in judges]
            me = next((one for one in seen if one.id == agent_id), None)
            asked[acted] = me is not None and isinstance(may_close(me, seen, account), Allowed)
        if asked[acted]:
            return waiting.id
    return None


def _facts(row: Any) -> AgentFacts:
    flags = msgspec.json.decode(row["flags"], type=Flags)
    return AgentFacts(id=row["id"], slug=row["slug"], name=row["name"], role=row["role"], flags=flags)


async def _shown(tx: Transaction, principal: Principal, task_id: UUID, found: WorkView) -> tuple[Card, Scene, WorkView]:
    row = await tx.row(queries.SHOWN, tx.account_id, task_id, principal.id, *scenes.NOBODY_ELSE)
    if row is None:
        raise Missing.thing("task", task_id)
    card, scene = scenes.card(row), scenes.scene(tx, row)
    task = hints.shown(principal, card, scene)
    return card, scene, msgspec.structs.replace(found, task=task, session_key=row["session_key"])
