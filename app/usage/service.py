"""What runs may spend: reserved before they begin, settled with each answer, given back when they end."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.runtime import service as runtime
from app.runtime import standing
from app.runtime.rules.schedules import Timing
from app.runtime.rules.settings import UNKNOWN_CENTS, UNKNOWN_TOKENS
from app.runtime.service import Order
from app.runtime.standing import Standing
from app.usage import metrics, queries, retrying, telling
from app.usage.rules import budgets as rules
from app.usage.rules import periods, pricing
from app.usage.rules.budgets import Held
from app.usage.types import BudgetFacts, Exhausted, Holding, Run, Spent, Unit

RESUME = "usage.resume"
SWEEP = "usage.sweep"
# While nothing is reserved nothing can be left behind.
STANDING = Standing(name="budgets", command_type=SWEEP, times=Timing(interval_seconds=300), asleep="nothing is reserved")
# Whoever has room again is woken; this is for the case that the word is lost.
CROWDED_SECONDS, FULL_SECONDS = 60.0, 900.0


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """A budget's numbers as they are written."""

    id: UUID
    spent: Decimal
    assumed: Decimal
    reserved: Decimal
    estimate: Decimal
    extra: Decimal
    period_at: Any
    soft_at: Any
    hard_at: Any


class _Hold(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    budget_id: UUID
    command_id: UUID
    amount: Decimal
    spent: Decimal
    waits_since: Any
    closed_at: Any


async def reserve(tx: Transaction, run: Run) -> Exhausted | None:
    """Reserve for this run in every budget that binds it, once however often it is tried; or name one that has no room.

    In that case nothing is reserved, and the transaction is to be committed all the same: it tells people, and it notes
    that the run waits. The budgets stay locked until it ends, so this comes as late in it as it can.
    """
    rows = await _binding(tx, run)
    if not rows:
        return None
    held = [(rules.touched(facts(row), row["now"]), holding(row)) for row in rows]
    full = {budget.id: budget for budget, _ in rules.without_room(held)}
    if not full:
        for row, before in zip(rows, held, strict=True):
            _keep(tx, run, row, rules.reserved(*before))
    else:
        for row, before in zip(rows, held, strict=True):
            await _let_wait(tx, run, row, *before, is_full=before[0].id in full)
    if rows[0]["is_swept"] is False:
        await standing.rouse(tx, STANDING)
    return None if not full else _exhausted(rows[0]["now"], list(full.values()))


async def _let_wait(tx: Transaction, run: Run, row: Any, budget: BudgetFacts, held: Holding, *, is_full: bool) -> None:
    """Note that the run waits for this budget, or that it does no more and another may try instead."""
    if is_full:
        metrics.refused(budget.scope, budget.unit, is_crowded=not rules.is_full(budget))
        if rules.is_full(budget):
            budget = await telling.hard(tx, row, budget)
        _keep(tx, run, row, (budget, rules.waiting(held, row["now"])))
    elif held.waits_since is not None:
        _keep(tx, run, row, (budget, msgspec.structs.replace(held, waits_since=None)))
        resume(tx, budget.id)


def _exhausted(now: Any, full: Sequence[BudgetFacts]) -> Exhausted:
    """The one that lasts longest speaks for all: a full one before one that is only crowded."""
    budget = max(full, key=rules.is_full)
    is_crowded = not rules.is_full(budget)
    ends = periods.ends(budget.period, now)
    seconds = CROWDED_SECONDS if is_crowded else FULL_SECONDS
    if ends is not None:
        seconds = min(seconds, max((ends - now).total_seconds(), 1.0))
    return Exhausted(
        budget_id=budget.id,
        scope=budget.scope,
        unit=budget.unit,
        resets_at=ends,
        retry_after=seconds,
        is_crowded=is_crowded,
    )


async def spend(tx: Transaction, run: Run, spent: Spent) -> None:
    """Write what an answer used, in the transaction that keeps the answer, and take it from what is reserved.

    An answer counts once. What it used beyond its reservation counts too.
    """
    rows = await _binding(tx, run, spent)
    if rows and rows[0]["is_recorded"]:
        return
    known = _known(spent)
    tx.put(queries.RECORD, _record(run, spent, cost_usd=known[Unit.USD]))
    metrics.answered(
        input_tokens=pricing.tokens(spent.input_tokens),
        output_tokens=pricing.tokens(spent.output_tokens),
        cost_usd=known[Unit.USD],
    )
    if spent.ask:
        await retrying.watch(tx, run)
    for row in rows:
        budget, held = rules.touched(facts(row), row["now"]), holding(row)
        is_known = known.get(budget.unit) is not None or budget.estimate > 0
        default = Decimal() if is_known else _default(tx, budget.unit)
        used, is_assumed = rules.charge(budget, held, known.get(budget.unit), default=default)
        budget, held = rules.spent(budget, held, used, is_assumed=is_assumed)
        _keep(tx, run, row, (await telling.soft(tx, row, budget), held))


def _known(spent: Spent) -> Mapping[Unit, Decimal | None]:
    """What the answer used as far as somebody knows; no token at all is no knowledge."""
    many = pricing.tokens(spent.input_tokens) + pricing.tokens(spent.output_tokens)
    return {Unit.USD: pricing.money(spent.cost_usd), Unit.TOKENS: Decimal(many) if many else None}


def _record(run: Run, spent: Spent, *, cost_usd: Decimal | None) -> dict[str, Any]:
    about = msgspec.structs.asdict(spent) | msgspec.structs.asdict(run)
    about |= {"id": new_id(), "run_id": run.id, "cost_usd": cost_usd}
    return about | {name: pricing.tokens(about[name]) for name in ("input_tokens", "output_tokens")}


def _default(tx: Transaction, unit: Unit) -> Decimal:
    """What a run counts as of which nobody knows anything."""
    if unit is Unit.USD:
        return Decimal(tx.controls.limit(tx.account_id, UNKNOWN_CENTS)) / 100
    return Decimal(tx.controls.limit(tx.account_id, UNKNOWN_TOKENS)) if unit is Unit.TOKENS else Decimal(1)


async def release(tx: Transaction, run_id: UUID) -> None:
    """Give back what the run reserved and did not use; a run that is over is released once."""
    await release_all(tx, [run_id])


async def release_all(tx: Transaction, run_ids: Sequence[UUID]) -> int:
    """The same for several runs; answers of how many budgets something was held."""
    await _settled_first(tx)
    rows = await tx.fresh_rows(queries.HELD_BY, tx.account_id, list(run_ids))
    now: dict[UUID, BudgetFacts] = {}
    for row in rows:
        budget = now.get(row["id"]) or rules.touched(facts(row), row["now"])
        now[row["id"]], held = rules.released(budget, holding(row), row["now"])
        tx.put(queries.HOLD, _hold(held, budget_id=row["id"], run_id=row["run_id"], command_id=row["command_id"]))
    for budget in now.values():
        tx.put(queries.CHANGE_BUDGETS, _changed(budget))
    for budget_id in {row["id"] for row in rows if row["is_waited_for"]}:
        resume(tx, budget_id)
    return len(now)


async def exhausted_for(tx: Transaction, agent_id: UUID, task_id: UUID | None) -> Exhausted | None:
    """The budget that lets no further run of this agent on this task begin; what is crowded for a moment is none."""
    rows = await tx.rows(queries.STANDING, tx.account_id, agent_id, task_id)
    full = [budget for row in rows if rules.is_full(budget := rules.touched(facts(row), row["now"]))]
    return _exhausted(rows[0]["now"], full) if full else None


def resume(tx: Transaction, budget_id: UUID, *, turn: int = 0, delay_seconds: float = 0.0) -> None:
    """Let runs that wait for this budget try again, once this transaction is committed."""
    payload = {"budget_id": budget_id, "turn": turn}
    order = Order(type=RESUME, idempotency_key=str(new_id()), payload=payload, delay_seconds=delay_seconds)
    runtime.enqueue(tx, order, actor=None)


async def _binding(tx: Transaction, run: Run, spent: Spent | None = None) -> list[Any]:
    await _settled_first(tx)
    place = (spent.ask, spent.round) if spent else (None, None)
    return await tx.fresh_rows(queries.BINDING, tx.account_id, run.agent_id, run.task_id, run.id, *place)


async def _settled_first(tx: Transaction) -> None:
    """What this transaction has to write of budgets is written before they are read again."""
    if tx.pending(queries.CHANGE_BUDGETS) or tx.pending(queries.HOLD):
        await tx.flush()


def _keep(tx: Transaction, run: Run, row: Any, after: Held) -> None:
    budget, held = after
    if budget != facts(row):
        tx.put(queries.CHANGE_BUDGETS, _changed(budget))
    if row["held"] is None or held != holding(row):
        tx.put(queries.HOLD, _hold(held, budget_id=budget.id, run_id=run.id, command_id=run.command_id))


def _changed(budget: BudgetFacts) -> _Change:
    return msgspec.convert(budget, _Change, from_attributes=True)


def _hold(held: Holding, *, budget_id: UUID, run_id: UUID, command_id: UUID) -> _Hold:
    return _Hold(budget_id=budget_id, run_id=run_id, command_id=command_id, **msgspec.structs.asdict(held))


def facts(row: Any) -> BudgetFacts:
    """A budget's row as the rules see it."""
    return msgspec.convert({name: row[name] for name in BudgetFacts.__struct_fields__}, BudgetFacts)


def holding(row: Any) -> Holding:
    """What the run of a row holds; nothing where it never did."""
    if row["held"] is None:
        return Holding()
    return Holding(amount=row["held"], spent=row["held_spent"], waits_since=row["waits_since"], closed_at=row["closed_at"])
