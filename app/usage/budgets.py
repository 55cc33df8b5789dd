"""Making and changing budgets; whatever gives room lets the runs that wait for it try again."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.errors import Duplicate, Invalid, Missing, VersionConflict
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.usage import queries, reading, service, telling
from app.usage.rules import budgets as rules
from app.usage.rules import periods
from app.usage.schemas import DECIMALS, MOST_AMOUNT, BudgetEdit, BudgetView, NewBudget
from app.usage.types import BudgetFacts, Scope, Unit

NOTHING = Decimal()


async def create(tx: Transaction, principal: Principal, asked: NewBudget) -> BudgetView:
    """Make a budget; it binds every run that begins from now on."""
    amount = _amount("amount", asked.amount, asked.unit)
    least = NOTHING if asked.estimate is None else _estimate(asked.estimate, asked.unit)
    scope = Scope.AGENT if asked.agent_slug else Scope.TASK if asked.task_id else Scope.ACCOUNT
    row = await tx.row(queries.STAGE, tx.account_id, asked.agent_slug, asked.task_id, scope, asked.unit, asked.period)
    if scope is not Scope.ACCOUNT and row[f"{scope}_id"] is None:
        raise Missing.thing(scope, asked.agent_slug or asked.task_id)
    if row["is_taken"]:
        raise Duplicate("there is such a budget already; change its amount instead", field="period")
    budget_id = new_id()
    scope_id = None if scope is Scope.ACCOUNT else row[f"{scope}_id"]
    start = periods.began(asked.period, row["now"]) or row["now"]
    fields = (scope, scope_id, asked.unit, asked.period, amount, least, asked.soft_percent, start)
    tx.write(queries.INSERT_BUDGET, tx.account_id, budget_id, *fields, principal.kind, principal.id, expect=1)
    payload = {"scope": scope, "scope_id": scope_id, "unit": asked.unit, "period": asked.period, "amount": amount}
    payload |= {"estimate_least": least or None, "soft_percent": asked.soft_percent}
    telling.record(tx, "created", {"id": budget_id, "version": 1}, actor=principal, payload=payload)
    await tx.flush()
    return await reading.one(tx, budget_id)


async def edit(tx: Transaction, principal: Principal, budget_id: UUID, asked: BudgetEdit) -> BudgetView:
    """Change what was sent; what was spent stays spent."""
    row = await _locked(tx, budget_id)
    if asked.expected_version not in (None, row["version"]):
        raise VersionConflict(
            f"the budget has version {row['version']}, not {asked.expected_version}",
            expected_version=asked.expected_version,
            version=row["version"],
        )
    before = service.facts(row)
    after = _edited(rules.touched(before, row["now"]), asked)
    sent = {"amount": after.amount, "estimate_least": after.least or None, "soft_percent": after.soft_percent}
    was = {"amount": before.amount, "estimate_least": before.least or None, "soft_percent": before.soft_percent}
    fields = {name: value for name, value in sent.items() if value != was[name]}
    if not fields:
        return reading.view(row)
    _write(tx, row, after)
    payload = {"before": {name: was[name] for name in fields}, "after": fields}
    telling.record(tx, "changed", row, actor=principal, payload=payload, version=row["version"] + 1)
    return await _resumed(tx, budget_id)


def _edited(budget: BudgetFacts, asked: BudgetEdit) -> BudgetFacts:
    if asked.amount is not msgspec.UNSET:
        budget = msgspec.structs.replace(budget, amount=_amount("amount", asked.amount, budget.unit))
    if asked.soft_percent is not msgspec.UNSET:
        budget = msgspec.structs.replace(budget, soft_percent=asked.soft_percent)
    if asked.estimate is None:
        budget = msgspec.structs.replace(budget, least=NOTHING)
    elif asked.estimate is not msgspec.UNSET:
        least = _estimate(asked.estimate, budget.unit)
        budget = msgspec.structs.replace(budget, least=least, estimate=least)
    return rules.changed(budget)


async def grant(tx: Transaction, budget_id: UUID, extra: Decimal, *, version: int, period_at: Any) -> bool:
    """Add what people allowed on top, unless the budget was changed since, or began anew. Answers whether it was added."""
    row = await tx.row(queries.BUDGET_LOCKED, tx.account_id, budget_id)
    if row is None or row["version"] != version:
        return False
    before = rules.touched(service.facts(row), row["now"])
    if before.period_at != period_at:
        return False
    after = rules.granted(before, extra)
    _write(tx, row, after)
    payload = {"extra": extra, "cap": after.cap}
    telling.record(tx, "extended", row, actor=None, payload=payload, version=version + 1)
    await _resumed(tx, budget_id)
    return True


async def remove(tx: Transaction, principal: Principal, budget_id: UUID) -> None:
    """Take a budget away: it binds nobody any more, and what was used stays recorded."""
    row = await _locked(tx, budget_id)
    tx.write(queries.REMOVE_BUDGET, tx.account_id, budget_id, expect=1)
    telling.record(tx, "removed", row, actor=principal, payload={"spent": row["spent"]}, version=row["version"] + 1)
    service.resume(tx, budget_id)


async def _locked(tx: Transaction, budget_id: UUID) -> Any:
    row = await tx.row(queries.BUDGET_LOCKED, tx.account_id, budget_id)
    if row is None:
        raise Missing.thing("budget", budget_id)
    return row


def _write(tx: Transaction, row: Any, after: BudgetFacts) -> None:
    numbers = (after.amount, after.least, after.soft_percent, after.estimate, after.extra, after.spent, after.assumed)
    times = (after.period_at, after.soft_at, after.hard_at)
    tx.write(queries.EDIT_BUDGET, tx.account_id, row["id"], *numbers, *times, expect=1)


async def _resumed(tx: Transaction, budget_id: UUID) -> BudgetView:
    service.resume(tx, budget_id)
    await tx.flush()
    return await reading.one(tx, budget_id)


def _estimate(value: Decimal, unit: Unit) -> Decimal:
    estimate = _amount("estimate", value, unit)
    if estimate <= 0:
        raise Invalid.field("estimate", "must be above 0")
    return estimate


def _amount(field: str, value: Decimal, unit: Unit) -> Decimal:
    """The number as it is kept; Invalid for what no budget can be."""
    if not value.is_finite() or not 0 <= value <= MOST_AMOUNT:
        raise Invalid.field(field, f"must be a number from 0 to {MOST_AMOUNT}")
    decimals = DECIMALS if unit is Unit.USD else 0
    kept = value.quantize(Decimal(1).scaleb(-decimals))
    if kept != value:
        raise Invalid.field(field, f"must have at most {decimals} decimals" if decimals else f"must be a whole number of {unit}")
    return kept
