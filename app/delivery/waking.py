"""Wakes agents by the clock: a tick for the whole account, and a look at each agent for whom there may be something to do."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.accounts.types import OrchestratorNamed
from app.agents import rules, sessions, waking
from app.agents.types import Reach, WakeOutcome
from app.agents.waking import WAKE_DUE
from app.delivery import following, wakeups
from app.delivery.commands import EXPIRES_SECONDS, GIVE_UP, SEND
from app.delivery.following import Followed
from app.delivery.queries import wakeups as queries
from app.delivery.types import DeliveryReason
from app.delivery.wakeups import Finding, Memory
from app.events import service as events
from app.kernel.ids import new_id
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wake import BOARD
from app.notifications import queries as notifications
from app.notifications.types import Notice, NotificationType
from app.observability.metrics import WAKEUPS
from app.policies import legacy
from app.policies.capabilities import effective
from app.policies.types import AgentFacts, EffectivePolicy, Flag, Flags
from app.runtime import service as runtime
from app.runtime import standing
from app.runtime.handlers import Attempt
from app.runtime.rules.settings import SWITCH_AGENTS
from app.runtime.service import Order
from app.runtime.taxonomy import command, tick
from app.runtime.types import Idempotency, Queue
from app.tasks.types import Happening, TaskAssigned, TaskCreated, TaskMoved

WAKEUP = "agent.wakeup"
# Those who are left wait for the next tick.
MOST_AT_ONCE = 100
# What is to be looked at sooner than this anyway is left.
LONGEST_IDLE = 960.0


class Waking(msgspec.Struct, frozen=True):
    agent_id: UUID


@tick(WAKE_DUE, owner="delivery")
async def wake_due(attempt: Attempt) -> None:
    """Look at the agents whose time has come, and put the next tick off until there is another one."""
    async with attempt.transaction() as tx:
        result = await _tick(tx)
        attempt.finish(tx, result)
    WAKEUPS.labels(WakeOutcome.NOTHING_TO_DO).inc(len(result.get("nothing_to_do", ())))


async def _tick(tx: Transaction) -> dict[str, Any]:
    if tx.controls.flag(tx.account_id, SWITCH_AGENTS):
        return {"outcome": WakeOutcome.STOPPED}
    # A tick that comes while one is still at work waits, and finds nobody due.
    await standing.hold(tx, waking.STANDING)
    rows = await tx.rows(queries.DUE, tx.account_id, MOST_AT_ONCE)
    office = await tx.row(queries.OFFICE, tx.account_id) if rows else None
    idle: list[str] = []
    looked_at: list[str] = []
    for row in rows:
        now = row["now"]
        at = row["wake_at"] or rules.slot(row["account_slug"], row["slug"], row["wake_minutes"], after=row["updated_at"])
        if at > now:
            tx.put(queries.PLAN, {"id": row["id"], "wake_at": at})
            continue
        has_work = _may_have_work(tx, row, office)
        (looked_at if has_work else idle).append(row["slug"])
        outcome = None if has_work else WakeOutcome.NOTHING_TO_DO
        following_at = rules.slot(row["account_slug"], row["slug"], row["wake_minutes"], after=now)
        tx.put(queries.PLAN, {"id": row["id"], "wake_at": following_at, "outcome": outcome})
        if has_work:
            key, payload = f"wakeup:{row['id']}:{at.isoformat()}", {"agent_id": row["id"]}
            runtime.enqueue(tx, Order(type=WAKEUP, idempotency_key=key, payload=payload), actor=None)
    await tx.flush()
    await standing.put_off(tx, waking.STANDING, until=queries.NEXT_DUE)
    return {"nothing_to_do": idle, "looked_at": looked_at}


def _may_have_work(tx: Transaction, row: Any, office: Any) -> bool:
    """Cheaply, for all at once: whoever has no open task and no office is not looked at any closer."""
    policy = _policy(tx, row)
    is_reviewing = office["has_reviews"] and policy.allows(Flag.IS_REVIEWER)
    return bool(row["has_work"] or is_reviewing or (policy.is_orchestrator and office["has_open"]))


def _policy(tx: Transaction, row: Any) -> EffectivePolicy:
    flags = msgspec.json.decode(row["flags"], type=Flags)
    agent = AgentFacts(id=row["id"], slug=row["slug"], name=row["name"], role=row["role"], flags=flags)
    return effective(agent, legacy.in_force(tx, row["settings"]))


@command(
    WAKEUP,
    payload=Waking,
    owner="delivery",
    idempotency=Idempotency.TICK,
    profile="best_effort",
    queue=Queue.TICKS,
    started_by=(WAKE_DUE,),
    is_submittable=True,
)
async def wake(attempt: Attempt) -> None:
    """Wake one agent if there is something for it to do; for the orchestrator, first follow up what stands still."""
    wanted = msgspec.json.decode(attempt.claim.payload, type=Waking)
    async with attempt.transaction() as tx:
        result = await look_at(tx, wanted.agent_id)
        attempt.finish(tx, result)
    WAKEUPS.labels(result["outcome"]).inc()


async def look_at(tx: Transaction, agent_id: UUID) -> dict[str, Any]:
    """Wake the agent where there is something for it to do; answers what came of it."""
    await tx.row(queries.LOCK_AGENT, tx.account_id, agent_id)
    row = await tx.row(queries.AGENT, tx.account_id, agent_id)
    if row is None or not waking.is_woken(row, legacy.in_force(tx, row["settings"])):
        return {"outcome": WakeOutcome.NEVER_WOKEN}
    if tx.controls.flag(tx.account_id, SWITCH_AGENTS):
        return {"outcome": WakeOutcome.STOPPED}
    policy = _policy(tx, row)
    followed = await _followed_up(tx, row, policy)
    result: dict[str, Any] = {"agent": row["slug"]} | ({"followed_up": followed.tasks} if followed.tasks else {})
    result |= await _considered(tx, row, policy)
    if followed.again_at is not None:
        await _look_again(tx, row, followed.again_at)
    return result


async def _considered(tx: Transaction, row: Any, policy: EffectivePolicy) -> dict[str, Any]:
    """Whether the agent itself is woken."""
    if row["is_queued"]:
        return _noted(tx, row, WakeOutcome.ALREADY_QUEUED)
    if row["reach"] == Reach.PULL:
        return _noted(tx, row, WakeOutcome.NOTHING_TO_DO)
    memory = Memory(
        shown=msgspec.json.decode(row["shown"], type=dict[UUID, str]),
        pauses=row["pauses"],
        woken_at=row["woken_at"],
        minutes=row["wake_minutes"],
        now=row["now"],
    )
    finding = await wakeups.find(tx, _principal(tx, row), policy, memory)
    result = _noted(tx, row, finding.look.outcome, finding)
    if finding.look.outcome is WakeOutcome.WOKEN:
        result |= {"notification_id": _wake(tx, row, finding), "tasks": finding.listed}
    return result


def _principal(tx: Transaction, row: Any) -> Principal:
    return Principal(kind=ActorKind.AGENT, id=row["id"], account_id=tx.account_id, name=row["name"])


async def _followed_up(tx: Transaction, row: Any, policy: EffectivePolicy) -> Followed:
    if not (policy.is_orchestrator and policy.allows(Flag.CAN_MENTION_AGENTS)):
        return Followed()
    account, interval = legacy.in_force(tx, row["settings"]), timedelta(minutes=row["wake_minutes"])
    return await following.follow_up(tx, _principal(tx, row), account, interval=interval, now=row["now"])


async def _look_again(tx: Transaction, row: Any, at: datetime) -> None:
    """Bring the next look forward, where its own time is later."""
    if row["wake_at"] is not None and row["wake_at"] <= at:
        return
    await standing.hold(tx, waking.STANDING)
    await tx.flush()
    tx.put(queries.PLAN, {"id": row["id"], "wake_at": at})
    await tx.flush()
    await standing.put_off(tx, waking.STANDING, until=queries.NEXT_DUE)


def _noted(tx: Transaction, row: Any, outcome: WakeOutcome, finding: Finding | None = None) -> dict[str, Any]:
    shown = row["shown"] if finding is None else msgspec.json.encode(finding.shown).decode()
    pauses = row["pauses"] if finding is None else finding.look.pauses
    tx.write(queries.LOOKED, tx.account_id, row["id"], outcome, outcome is WakeOutcome.WOKEN, pauses, shown, expect=1)
    until = finding.look.until if finding else None
    return {"outcome": outcome, "until": until} if until else {"outcome": outcome}


def _wake(tx: Transaction, row: Any, finding: Finding) -> UUID:
    """One notification, on the lane of the agent's own session."""
    agent_id, session_id = row["id"], row["session_id"] or sessions.of_agent(tx, row["id"])
    number = len(finding.listed)
    notice = Notice(
        id=new_id(),
        type=NotificationType.WAKEUP,
        recipient_kind=ActorKind.AGENT,
        recipient_id=agent_id,
        title=f"{number} tasks to look at" if number > 1 else "A task to look at",
        body=wakeups.body_of(finding.listed),
        reason=DeliveryReason.WOKEN,
    )
    payload = {"notification_id": notice.id, "session_id": session_id, "agent_id": agent_id, "on_give_up": GIVE_UP}
    order = Order(type=SEND, idempotency_key=str(notice.id), payload=payload, lane_id=session_id, expires_seconds=EXPIRES_SECONDS)
    notice.command_id = runtime.enqueue(tx, order, actor=None)
    tx.put(notifications.INSERT, notice)
    about = {"type": notice.type, "recipient_kind": notice.recipient_kind, "recipient_id": agent_id}
    events.record(tx, "notify:notification:created", entity=("notification", notice.id), actor=None, payload=about)
    tx.wake(BOARD, agent_id)
    return notice.id


async def on_orchestrator(tx: Transaction, _named: OrchestratorNamed) -> None:
    """Whoever leads is looked at, however it is reached."""
    await standing.soon(tx, waking.STANDING)


async def on_task(tx: Transaction, _happened: Happening) -> None:
    """A task is open that was not, or somebody is on it: there may be something to do again."""
    standing.hasten(tx, waking.STANDING, within=LONGEST_IDLE)


SUBSCRIPTIONS: Subscribers = {
    OrchestratorNamed: [on_orchestrator],
    TaskCreated: [on_task],
    TaskAssigned: [on_task],
    TaskMoved: [on_task],
}
