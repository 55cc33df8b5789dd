"""Budgets and usage for people: REST."""

from uuid import UUID

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body, Slug
from app.usage import budgets, reading
from app.usage.schemas import BudgetEdit, BudgetPage, BudgetView, By, NewBudget, UsagePage, UsageRecordPage
from app.usage.types import Scope

BUDGETS = "/api/v1/budgets"
BUDGET = "/api/v1/budgets/{budget_id:str}"
READ, MANAGE = "account.read", "account.manage"
GONE = 204


@get(BUDGETS, operation_class=described(view=BudgetPage))
async def listed(request: Call) -> Response[bytes]:
    """A page of budgets, oldest first; filters: `scope`, `agent_slug`, `task_id`, `limit`, `cursor`."""
    scope, agent_slug = paging.asked(request, "scope", Scope), paging.asked(request, "agent_slug", Slug)
    task_id, limit, after = paging.asked(request, "task_id", UUID), paging.limit(request), paging.cursor(request)
    return await read(
        request,
        READ,
        lambda tx, _: reading.page(tx, scope=scope, agent_slug=agent_slug, task_id=task_id, limit=limit, after=after),
    )


@post(BUDGETS, status_code=CREATED, operation_class=described(body=NewBudget, view=BudgetView, status=CREATED))
async def create(request: Call) -> Response[bytes]:
    """Limit what runs may spend, in USD, tokens or runs, for good or in each period."""
    return await mutate(request, MANAGE, NewBudget, budgets.create, status=CREATED)


@get(BUDGET, operation_class=described(view=BudgetView))
async def one(request: Call, budget_id: FromPath[str]) -> Response[bytes]:
    """A budget as it stands now."""
    wanted = identity(budget_id, kind="budget")
    return await read(request, READ, lambda tx, _: reading.one(tx, wanted))


@patch(BUDGET, operation_class=described(body=BudgetEdit, view=BudgetView))
async def edit(request: Call, budget_id: FromPath[str]) -> Response[bytes]:
    """Change a budget; with more room the runs that wait for it go on within seconds."""
    wanted = identity(budget_id, kind="budget")
    return await mutate(request, MANAGE, BudgetEdit, lambda tx, who, asked: budgets.edit(tx, who, wanted, asked))


@delete(BUDGET, status_code=200, operation_class=described(status=GONE))
async def remove(request: Call, budget_id: FromPath[str]) -> Response[bytes]:
    """Take a budget away; what was used stays recorded."""
    wanted = identity(budget_id, kind="budget")

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await budgets.remove(tx, who, wanted)

    return await mutate(request, MANAGE, Body, act, status=GONE)


@get("/api/v1/usage", operation_class=described(view=UsagePage))
async def usage(request: Call) -> Response[bytes]:
    """What runs used, summed `by` `agent` (default), `task`, `day`, `profile` or `model`; `since`, `until`, `limit`, `cursor`."""
    by = paging.asked(request, "by", By) or By.AGENT
    since, until = paging.moment(request, "since"), paging.moment(request, "until")
    limit, cursor = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, READ, lambda tx, _: reading.usage(tx, by=by, since=since, until=until, limit=limit, cursor=cursor))


@get("/api/v1/usage/records", operation_class=described(view=UsageRecordPage))
async def records(request: Call) -> Response[bytes]:
    """A page of what each answer used, newest first; filters: `agent_id` or `task_id`, `limit`, `cursor`."""
    agent_id, task_id = paging.asked(request, "agent_id", UUID), paging.asked(request, "task_id", UUID)
    limit, cursor = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(
        request, READ, lambda tx, _: reading.records(tx, agent_id=agent_id, task_id=task_id, limit=limit, cursor=cursor)
    )


ROUTES = (listed, create, one, edit, remove, usage, records)
