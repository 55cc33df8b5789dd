"""Reading budgets and usage."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.kernel import places
from app.kernel.errors import Invalid, Missing
from app.kernel.ids import OLDEST_ID
from app.kernel.transaction import Transaction
from app.kernel.wire import clamped
from app.usage import queries, service
from app.usage.rules import budgets as rules
from app.usage.rules import periods
from app.usage.schemas import (
    BudgetPage,
    BudgetView,
    By,
    UsageLine,
    UsagePage,
    UsageRecordPage,
    UsageRecordView,
    UsageSum,
)
from app.usage.types import Scope

LONGEST_RANGE = timedelta(days=400)
_SUMMED = {
    By.AGENT: queries.BY_AGENT,
    By.TASK: queries.BY_TASK,
    By.DAY: queries.BY_DAY,
    By.PROFILE: queries.BY_PROFILE,
    By.MODEL: queries.BY_MODEL,
}


async def one(tx: Transaction, budget_id: UUID) -> BudgetView:
    """A budget as it stands now."""
    row = await tx.row(queries.BUDGET, tx.account_id, budget_id)
    if row is None:
        raise Missing.thing("budget", budget_id)
    return view(row)


async def page(
    tx: Transaction,
    *,
    scope: Scope | None,
    agent_slug: str | None,
    task_id: UUID | None,
    limit: int | None,
    after: UUID | None,
) -> BudgetPage:
    """A page of the budgets that bind, oldest first."""
    size = clamped(limit)
    rows = await tx.rows(queries.BUDGETS, tx.account_id, after or OLDEST_ID, scope, agent_slug, task_id, size + 1)
    items = [view(row) for row in rows[:size]]
    return BudgetPage(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


def view(row: Any) -> BudgetView:
    """A budget of a period that is over is shown as begun anew."""
    budget = rules.touched(service.facts(row), row["now"])
    about = {name: row[name] for name in ("created_by_kind", "created_by_id", "created_at", "updated_at", "version", "waiting")}
    names = ("id", "scope", "unit", "period", "amount", "extra", "spent", "reserved", "soft_percent", "period_at")
    about |= {name: getattr(budget, name) for name in names}
    return msgspec.convert(
        about
        | {
            "agent_slug": row["scope_name"] if budget.scope is Scope.AGENT else None,
            "task_id": budget.scope_id if budget.scope is Scope.TASK else None,
            "state": rules.state(budget),
            "spent_assumed": budget.assumed,
            "left": rules.left(budget),
            "percent": rules.percent(budget),
            "estimate": rules.expected(budget),
            "estimate_least": budget.least or None,
            "resets_at": periods.ends(budget.period, row["now"]),
        },
        BudgetView,
    )


async def usage(
    tx: Transaction,
    *,
    by: By,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    cursor: str | None,
) -> UsagePage:
    """A page of sums by that key, in its order, over the last thirty days unless a range is named."""
    times = await tx.row(queries.RANGE, since, until)
    within = (times["since"], times["until"])
    if not timedelta() < within[1] - within[0] <= LONGEST_RANGE:
        raise Invalid.field("since", f"must lie before `until`, at most {LONGEST_RANGE.days} days")
    size = clamped(limit)
    rows = await tx.rows(_SUMMED[by], tx.account_id, *within, _after(by, cursor), size + 1)
    total = await tx.row(queries.TOTAL, tx.account_id, *within)
    items = [msgspec.convert(_sums(row) | {"key": _key(row), "name": row["name"]}, UsageLine) for row in rows[:size]]
    return UsagePage(
        items=items,
        next_cursor=f"{by}:{rows[size - 1]['key']}" if len(rows) > size else None,
        limit=size,
        by=by,
        since=within[0],
        until=within[1],
        total=msgspec.convert(_sums(total), UsageSum),
    )


def _after(by: By, cursor: str | None) -> str | None:
    """What the cursor of such a page says; Invalid when it is none."""
    if cursor is None:
        return None
    kind: Any = {By.AGENT: UUID, By.TASK: UUID, By.DAY: date}.get(by, str)
    said, _, key = cursor.partition(":")
    try:
        msgspec.convert(key, kind)
        is_of_page = said == by
    except msgspec.ValidationError:
        is_of_page = False
    if not is_of_page:
        raise Invalid.field("cursor", "must be the `next_cursor` of a page by the same key")
    return key


def _key(row: Any) -> str:
    return "" if row["key"] == str(OLDEST_ID) else row["key"]


def _sums(row: Any) -> dict[str, Any]:
    return {name: row[name] or 0 for name in UsageSum.__struct_fields__}


async def records(
    tx: Transaction, *, agent_id: UUID | None, task_id: UUID | None, limit: int | None, cursor: str | None
) -> UsageRecordPage:
    """A page of what answers used, newest first."""
    if agent_id is not None and task_id is not None:
        raise Invalid.field("task_id", "ask for those of an agent or of a task, not of both")
    size = clamped(limit)
    behind = (*places.place(cursor, first=places.NEWEST), size + 1)
    if agent_id is not None:
        rows = await tx.rows(queries.RECORDS_OF_AGENT, tx.account_id, *behind, agent_id)
    elif task_id is not None:
        rows = await tx.rows(queries.RECORDS_OF_TASK, tx.account_id, *behind, task_id)
    else:
        rows = await tx.rows(queries.RECORDS, tx.account_id, *behind)
    items = [msgspec.convert(dict(row), UsageRecordView) for row in rows[:size]]
    more = places.cursor(items[-1].at, items[-1].id) if len(rows) > size else None
    return UsageRecordPage(items=items, next_cursor=more, limit=size)
