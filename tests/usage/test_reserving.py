"""Reservations in a real database: once for a run, all or none, and never past the cap however many come at once."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from app.kernel import db
from app.usage.rules import retries
from app.usage.types import Period, Scope, Unit
from tests import make
from tests.usage.desk import AGENT, Desk, standing

WORST = "SELECT max(spent + reserved) FROM budgets"
TOLD = """INSERT INTO notifications (account_id, id, type, recipient_kind, recipient_id, actor_kind, title, body, depth, state,
    attempts, created_at) VALUES ($1, $2, 'mention', 'agent', $3, 'system', '', '', 0, 'queued', 0, now())"""
LOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
RECORDS = "SELECT count(*) FROM usage_records"


@pytest.fixture
def desk(database, account) -> Desk:
    return Desk(database, account)


@pytest.mark.parametrize(("estimate", "cost"), [(None, "0.05"), (None, "0.30"), ("0.05", "0.05"), ("0.30", "0.30")])
async def test_twenty_runs_at_once_never_spend_more_than_the_budget(desk, admin, estimate, cost):
    budget = await desk.budget("0.50", estimate=estimate and Decimal(estimate))
    size, worst, over = Decimal(estimate or 0), Decimal(), False

    async def look() -> None:
        nonlocal worst
        while not over:
            worst = max(worst, await admin.fetchval(WORST))
            await asyncio.sleep(0)

    async def insist(run) -> bool:
        for _ in range(400):
            refused = await desk.live(run, cost)
            if refused is None or not refused.is_crowded:
                return refused is None
            await asyncio.sleep(0.01)
        raise AssertionError("a run in flight never ended")

    looking = asyncio.create_task(look())
    ended = await asyncio.gather(*(insist(desk.run()) for _ in range(20)))
    over = True
    await looking
    assert worst <= Decimal("0.50") + size
    assert await standing(admin) == (Decimal(cost) * sum(ended), 0)
    assert sum(ended) == Decimal("0.50") // Decimal(cost)
    async with desk.do() as tx:
        from app.usage import reading

        seen = await reading.one(tx, budget.id)
    assert (seen.state, seen.waiting) == ("exhausted", 20 - sum(ended))


async def test_the_same_run_reserves_and_spends_once_however_often_it_is_tried(desk, admin):
    await desk.budget("1", estimate=Decimal("0.2"))
    run = desk.run()
    assert await asyncio.gather(*(desk.reserve(run) for _ in range(5))) == [None] * 5
    assert await standing(admin) == (0, Decimal("0.2"))
    await asyncio.gather(*(desk.spend(run, "0.05") for _ in range(5)))
    assert await standing(admin) == (Decimal("0.05"), Decimal("0.15"))
    await desk.spend(run, "0.05", round_=1)
    await asyncio.gather(*(desk.release(run) for _ in range(5)))
    assert await standing(admin) == (Decimal("0.1"), 0)
    assert await admin.fetchval(RECORDS) == 2


async def test_a_run_without_any_budget_is_recorded_once_and_reserves_nothing(desk, admin):
    run = desk.run()
    assert await desk.reserve(run) is None
    await asyncio.gather(*(desk.spend(run, "0.05") for _ in range(3)))
    await desk.release(run)
    assert await admin.fetchval(RECORDS) == 1
    assert await admin.fetchval("SELECT count(*) FROM budget_reservations") == 0


async def test_all_budgets_of_a_run_are_reserved_or_none(desk, admin):
    agent, task = await agent_and_task(admin, desk.account_id)
    account = await desk.budget("10", estimate=Decimal(1))
    of_agent = await desk.budget("2", unit=Unit.RUNS, agent_slug="agent-slug")
    of_task = await desk.budget("15", unit=Unit.TOKENS, task_id=task, estimate=Decimal(15))
    run = desk.run(agent_id=agent, task_id=task)
    assert await desk.reserve(run) is None
    reserved = "SELECT reserved FROM budgets WHERE id = $1"
    assert [await admin.fetchval(reserved, one.id) for one in (account, of_agent, of_task)] == [1, 1, 15]
    refused = await desk.reserve(desk.run(agent_id=agent, task_id=task))
    assert refused is not None
    assert (refused.budget_id, refused.scope, refused.is_crowded) == (of_task.id, Scope.TASK, True)
    assert [await admin.fetchval(reserved, one.id) for one in (account, of_agent, of_task)] == [1, 1, 15]
    await desk.spend(run, "0.4")
    await desk.release(run)
    spent = "SELECT spent FROM budgets WHERE id = $1"
    assert [await admin.fetchval(spent, one.id) for one in (account, of_agent, of_task)] == [Decimal("0.4"), 1, 15]
    # Of another agent and no task, only the account's binds.
    assert await desk.reserve(desk.run(agent_id=AGENT)) is None
    assert [await admin.fetchval(reserved, one.id) for one in (account, of_agent, of_task)] == [1, 0, 0]


async def agent_and_task(admin, account_id):
    agent, task = uuid4(), uuid4()
    await admin.execute(
        """INSERT INTO agents (account_id, id, slug, name, role, description, soul, reach, version)
        VALUES ($1, $2, 'agent-slug', 'A', '', '', '', 'pull', 1)""",
        account_id,
        agent,
    )
    await admin.execute(
        """INSERT INTO tasks (account_id, id, title, description, status, priority, version, created_by_kind, is_coordination)
        VALUES ($1, $2, 'A task', '', 'inbox', 3, 1, 'system', false)""",
        account_id,
        task,
    )
    return agent, task


async def test_a_new_period_begins_at_the_first_touch_and_keeps_what_is_in_flight(desk, admin):
    budget = await desk.budget("1", period=Period.DAY, estimate=Decimal("0.6"))
    flying, late = desk.run(), desk.run()
    await desk.reserve(flying)
    await desk.spend(flying, "0.5")
    assert (await desk.reserve(late)).resets_at == budget.resets_at
    await admin.execute("UPDATE budgets SET period_at = period_at - interval '1 day', soft_at = period_at, hard_at = period_at")
    assert await desk.reserve(late) is None
    row = await admin.fetchrow("SELECT spent, reserved, period_at, soft_at, hard_at FROM budgets")
    assert tuple(row) == (0, Decimal("0.7"), budget.period_at, None, None)
    await desk.spend(flying, "0.5", round_=1)
    await desk.release(flying)
    assert await standing(admin) == (Decimal("0.5"), Decimal("0.6"))


async def test_a_run_that_is_replayed_reserves_anew(desk, admin):
    await desk.budget("1", estimate=Decimal("0.2"))
    run = desk.run()
    await desk.reserve(run)
    await desk.spend(run, "0.1")
    await desk.release(run)
    assert await desk.reserve(run) is None
    assert await standing(admin) == (Decimal("0.1"), Decimal("0.2"))
    await desk.release(run)
    assert await standing(admin) == (Decimal("0.1"), 0)


async def test_one_transaction_may_do_all_of_it(desk, admin):
    from app.usage import service
    from app.usage.types import Spent

    await desk.budget("1", estimate=Decimal("0.2"))
    first, second = desk.run(), desk.run()
    async with desk.do() as tx:
        assert await service.reserve(tx, first) is None
        assert await service.reserve(tx, second) is None
        await service.spend(tx, first, Spent(ask=0, round=0, profile="default", seconds=1, cost_usd=Decimal("0.1")))
        await service.release(tx, first.id)
        await service.release(tx, second.id)
    assert await standing(admin) == (Decimal("0.1"), 0)


async def test_what_a_gateway_says_is_charged_within_reason(desk, admin):
    await desk.budget("1", estimate=Decimal("0.2"))
    run = desk.run()
    await desk.reserve(run)
    await desk.spend(run, "1e400", input_tokens=2**70, output_tokens=-5)
    assert await standing(admin) == (1_000_000, 0)
    row = await admin.fetchrow("SELECT input_tokens, output_tokens, cost_usd FROM usage_records")
    assert tuple(row) == (2**31 - 1, 0, 1_000_000)


async def test_an_agent_that_is_asked_anew_all_the_time_is_told_of_once(desk, admin):
    alerts = "SELECT kind, severity, seen, message FROM runtime_alerts"
    runs = [desk.run() for _ in range(5)]
    for run in runs:
        await desk.spend(run, "0.10")
        assert await admin.fetch(alerts) == []
        await desk.spend(run, "0.10", ask=1)
    await desk.spend(runs[-1], "0.10", ask=2)
    (alert,) = await admin.fetch(alerts)
    assert tuple(alert)[:3] == ("retry_cost", "warning", 2)
    assert "6 of the 11 answers" in alert["message"]
    assert "0.5 USD" in alert["message"]


def test_now_and_then_is_not_many():
    assert not any(retries.are_many(anew, answers) for anew, answers in [(1, 1), (4, 5), (5, 16), (33, 100)])
    assert all(retries.are_many(anew, answers) for anew, answers in [(5, 5), (5, 15), (34, 100)])


async def test_who_ends_a_run_locks_its_notification_before_its_budgets(desk, admin, urls):
    """As a stop does, which holds the notifications of a task when it comes to the budgets."""
    await desk.budget("0.50", estimate=Decimal("0.05"))
    run = desk.run()
    await desk.reserve(run)
    await admin.execute(TOLD, desk.account_id, run.id, AGENT)
    stopping = await asyncpg.connect(db.plain(urls[0]))
    try:
        async with stopping.transaction():
            await stopping.execute("SELECT 1 FROM notifications WHERE id = $1 FOR UPDATE", run.id)
            releasing = asyncio.create_task(desk.release(run))

            async def is_waiting() -> bool:
                return bool(await admin.fetchval(LOCKED))

            await make.until(is_waiting)
            await stopping.execute("SELECT 1 FROM budgets FOR UPDATE NOWAIT")
        await releasing
    finally:
        await stopping.close()
    assert await standing(admin) == (0, 0)
