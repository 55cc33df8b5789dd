"""Telling people of a limit, once in a period, and asking them for more at the hard one."""

from datetime import datetime
from typing import Any

import msgspec

from app.events import service as events
from app.kernel.transaction import Transaction
from app.runtime import service as runtime
from app.runtime.service import Order
from app.runtime.types import Terms
from app.usage.rules import budgets as rules
from app.usage.rules import periods, words
from app.usage.types import BudgetFacts, BudgetReached, Limit, Scope

EXTEND = "usage.extend"
KIND = "budget"
# How long people may take to decide about a budget that never begins anew.
ASKED_SECONDS = 604_800.0
LEAST_SECONDS = 60.0


async def soft(tx: Transaction, row: Any, budget: BudgetFacts) -> BudgetFacts:
    """Tell of the soft limit if the budget has come to it and nobody was told."""
    if budget.soft_at is not None or not rules.is_soft(budget):
        return budget
    await _tell(tx, row, budget, Limit.SOFT, is_asked=False)
    return msgspec.structs.replace(budget, soft_at=row["now"])


async def hard(tx: Transaction, row: Any, budget: BudgetFacts) -> BudgetFacts:
    """Tell that runs wait for the budget and ask for more, unless that was done."""
    if budget.hard_at is not None:
        return budget
    is_asked = await _ask(tx, row, budget)
    await _tell(tx, row, budget, Limit.HARD, is_asked=is_asked)
    return msgspec.structs.replace(budget, hard_at=row["now"])


async def _tell(tx: Transaction, row: Any, budget: BudgetFacts, limit: Limit, *, is_asked: bool) -> None:
    payload: dict[str, Any] = {"scope": budget.scope, "scope_id": budget.scope_id, "unit": budget.unit, "period": budget.period}
    payload |= {"cap": budget.cap, "spent": budget.spent, "reserved": budget.reserved, "is_asked": is_asked}
    kind = "soft_reached" if limit is Limit.SOFT else "exhausted"
    event_id = record(tx, kind, row, actor=None, payload=payload)
    told = BudgetReached(
        budget_id=budget.id,
        limit=limit,
        title=words.title(budget, row["scope_name"], limit),
        body=words.body(budget, limit, is_asked=is_asked),
        task_id=budget.scope_id if budget.scope is Scope.TASK else None,
        event_id=event_id,
    )
    await tx.tell(told)


async def _ask(tx: Transaction, row: Any, budget: BudgetFacts) -> bool:
    """Let people decide about a part of the amount on top; a budget of nothing is a wish that nothing be spent."""
    if budget.amount <= 0:
        return False
    extra, version = rules.asks_for(budget), row["version"]
    order = Order(
        type=EXTEND,
        idempotency_key=f"{budget.id}:{version}:{budget.period_at.isoformat()}",
        payload={"budget_id": budget.id, "version": version, "period_at": budget.period_at, "extra": extra},
    )
    terms = Terms(
        summary=words.asks(budget, row["scope_name"], extra),
        expires_seconds=_until(budget, row["now"]),
        target_kind=KIND,
        target_id=budget.id,
        target_version=version,
    )
    await runtime.submit(tx, order, actor=None, terms=terms)
    return True


def _until(budget: BudgetFacts, now: datetime) -> float:
    end = periods.ends(budget.period, now)
    return ASKED_SECONDS if end is None else max((end - now).total_seconds(), LEAST_SECONDS)


def record(tx: Transaction, what: str, row: Any, *, actor: Any, payload: dict[str, Any], version: int | None = None) -> Any:
    """Append what became of a budget."""
    entity, sequence = (KIND, row["id"]), version or row["version"]
    return events.record(tx, f"usage:budget:{what}", entity=entity, sequence=sequence, actor=actor, payload=payload)
