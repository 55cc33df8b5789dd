"""What operators see of deliveries: pages, one in whole, what was sent and what came back, and on what it is decided."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.delivery import briefing, queries
from app.delivery.rules import explained, should_deliver
from app.delivery.schemas import (
    AddressableView,
    ContextView,
    DecisionView,
    DeliveryDetail,
    DeliveryPage,
    DeliveryView,
    Explain,
    PromptView,
    RawView,
)
from app.delivery.types import Deliver, DeliveryFacts
from app.delivery.types.runs import Ask
from app.kernel.errors import Invalid, Missing
from app.kernel.ids import NEWEST_ID
from app.kernel.logs import redact
from app.kernel.transaction import Transaction
from app.kernel.wire import clamped
from app.notifications.types import NotificationState, NotificationType
from app.policies.capabilities import effective
from app.policies.types import Flag

RAW_MOST = 256 * 1024
# No asking and no round is counted further.
COUNTED_MOST = 2**15 - 1


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries a page is about; what is None does not matter."""

    state: NotificationState | None = None
    type: NotificationType | None = None
    agent_id: UUID | None = None
    task_id: UUID | None = None


async def page(tx: Transaction, asked: Asked, *, limit: int | None, before: UUID | None) -> DeliveryPage:
    """A page of deliveries to agents, newest first."""
    size = clamped(limit)
    states = [asked.state] if asked.state else list(NotificationState)
    agents = None if asked.agent_id is None else [asked.agent_id]
    wanted = (before or NEWEST_ID, agents, states, asked.type, size + 1)
    if asked.task_id is None:
        rows = await tx.rows(queries.PAGE_OF_AGENTS, tx.account_id, *wanted)
    else:
        rows = await tx.rows(queries.PAGE_OF_TASK, tx.account_id, *wanted, asked.task_id)
    items = [msgspec.convert(dict(row), DeliveryView) for row in rows[:size]]
    return DeliveryPage(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def one(tx: Transaction, delivery_id: UUID) -> DeliveryDetail:
    """A delivery with its attempts and every call outside."""
    row = await _found(tx, queries.DETAIL, delivery_id)
    known = dict(row) | {name: msgspec.json.decode(row[name]) for name in ("attempted", "rounds")}
    for call in (call for each in known["rounds"] for call in each["calls"]):
        call["arguments"], call["result"] = redact(call["arguments"]), redact(call["result"])
    return msgspec.convert(known, DeliveryDetail)


async def prompt(tx: Transaction, delivery_id: UUID) -> PromptView:
    """The prompt as it was frozen; 404 while nothing was sent, for which there is the preview."""
    row = await _found(tx, queries.SENT, delivery_id)
    ask = msgspec.json.decode(row["prompt"], type=Ask)
    tools = [msgspec.to_builtins(tool) for tool in ask.tools]
    made = {name: row[name] for name in ("template_version", "template_source", "digest", "size", "rendered_at")}
    return PromptView(instructions=ask.instructions, input=ask.input, tools=tools, **made)


async def raw(tx: Transaction, delivery_id: UUID, *, ask: int, round_: int) -> RawView:
    """What went out and came back in one call outside, with secrets and the session key taken out."""
    is_countable = 0 <= ask <= COUNTED_MOST and 0 <= round_ <= COUNTED_MOST
    row = await tx.row(queries.RAW, tx.account_id, delivery_id, ask, round_, RAW_MOST) if is_countable else None
    if row is None:
        raise Missing.thing("round", f"{ask}.{round_}")

    def shown(body: bytes) -> str:
        return redact(body.decode(errors="replace").replace(row["session_key"], "***"))

    return RawView(
        request=shown(row["request"]),
        answer=None if row["answer"] is None else shown(row["answer"]),
        answer_status=row["answer_status"],
        answer_type=row["answer_type"],
        is_cut=bool(row["is_cut"]),
    )


async def context(tx: Transaction, delivery_id: UUID) -> ContextView:
    """On what this delivery is decided now, and whom its agent may name."""
    row = await _found(tx, queries.EXPLAINED, delivery_id)
    found = await briefing.situation(tx, row)
    return ContextView(id=delivery_id, decision=_decided(briefing.facts(found)), agents=_agents(found), tools=_tools(row))


def _tools(row: Any) -> list[str]:
    return [] if row["prompt"] is None else [tool.name for tool in msgspec.json.decode(row["prompt"], type=Ask).tools]


def _agents(found: briefing.Situation) -> list[AddressableView]:
    account = found.account
    return [
        AddressableView(
            id=agent.id,
            slug=agent.slug,
            name=agent.name,
            role=agent.role,
            is_reviewer=effective(agent, account).allows(Flag.IS_REVIEWER),
            is_orchestrator=agent.id == account.orchestrator_agent_id,
            is_assigned=agent.is_assigned,
        )
        for agent in found.crew
    ]


async def explain(tx: Transaction, asked: Explain) -> DecisionView:
    """What the policy table says, of a delivery that there is or of any context; nothing is sent and nothing is written."""
    if (asked.delivery_id is None) == (asked.context is None):
        raise Invalid.field("context", "say either delivery_id or context")
    if asked.context is not None:
        return _decided(DeliveryFacts(**msgspec.structs.asdict(asked.context)))
    row = await _found(tx, queries.EXPLAINED, asked.delivery_id)
    return _decided(briefing.facts(await briefing.situation(tx, row)))


def _decided(facts: DeliveryFacts) -> DecisionView:
    decision = should_deliver(facts)
    return DecisionView(
        deliver=isinstance(decision, Deliver), reason=decision.reason, words=explained(decision.reason), facts=facts
    )


async def _found(tx: Transaction, sql: str, delivery_id: UUID | None, *more: Sequence[object]) -> Any:
    row = await tx.row(sql, tx.account_id, delivery_id, *more)
    if row is None:
        raise Missing.thing("delivery", delivery_id)
    return row
