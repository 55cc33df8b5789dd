"""What is done beside the runs: freeing what was left behind, forgetting what is old, telling how full budgets are."""

from decimal import Decimal
from uuid import UUID

from app.usage import keeping, service
from app.usage.types import Period, Unit
from tests.usage.desk import Desk, standing

WAITS = "SELECT budget_id, amount, closed_at FROM budget_reservations WHERE run_id = $1 AND waits_since IS NOT NULL"
RESUMED = "SELECT count(*) FROM runtime_commands WHERE type = 'usage.resume' AND payload ->> 'budget_id' = $1"
SWEEPING = "SELECT is_enabled, disabled_reason FROM runtime_schedules WHERE name = 'budgets'"
NOTIFIED = """
INSERT INTO notifications (account_id, id, type, recipient_kind, recipient_id, actor_kind, title, body, depth, state, attempts)
VALUES ($1, $2, 'assignment', 'agent', $3, 'system', 'T', '', 0, $4, 0)"""


async def sweep(desk: Desk) -> int:
    async with desk.do() as tx:
        return await keeping.sweep(tx)


async def test_what_a_run_that_is_over_still_holds_is_swept_and_then_the_sweeps_sleep(board, admin):
    desk = Desk(board.database, board.account_id)
    await desk.budget("1", estimate=Decimal("0.2"))
    assert tuple(await admin.fetchrow(SWEEPING)) == (False, "nothing is reserved")
    ended, waiting, unknown = desk.run(), desk.run(), desk.run()
    agent = UUID(await board.agent_id("engineer"))
    await admin.execute(NOTIFIED, desk.account_id, ended.id, agent, "skipped")
    await admin.execute(NOTIFIED, desk.account_id, waiting.id, agent, "queued")
    for run in (ended, waiting, unknown):
        assert await desk.reserve(run) is None
    assert (await admin.fetchrow(SWEEPING))["is_enabled"]
    assert await standing(admin) == (0, Decimal("0.6"))
    assert [await sweep(desk), await sweep(desk)] == [2, 0]
    assert await standing(admin) == (0, Decimal("0.2"))
    assert (await admin.fetchrow(SWEEPING))["is_enabled"]
    await desk.release(waiting)
    await sweep(desk)
    assert tuple(await admin.fetchrow(SWEEPING)) == (False, "nothing is reserved")


async def test_a_run_that_waits_is_noted_once_for_the_budget_that_lacks_room(board, admin):
    desk, agent = Desk(board.database, board.account_id), UUID(await board.agent_id("engineer"))
    narrow = await desk.budget("1", unit=Unit.RUNS, agent_slug="engineer", period=Period.HOUR)
    first, second = desk.run(agent_id=agent), desk.run(agent_id=agent)
    await desk.reserve(first)
    for _ in range(2):
        refused = await desk.reserve(second)
        assert refused is not None
        assert (refused.budget_id, refused.is_crowded, refused.resets_at) == (narrow.id, True, narrow.resets_at)
        assert [tuple(row) for row in await admin.fetch(WAITS, second.id)] == [(narrow.id, 0, None)]
    await desk.spend(first, "1")
    refused = await desk.reserve(second)
    assert refused is not None
    assert not refused.is_crowded
    async with desk.do() as tx:
        found = await service.exhausted_for(tx, agent, None)
        assert (found and found.budget_id) == narrow.id
        assert await service.exhausted_for(tx, UUID(int=1), None) is None
    told = await admin.fetch("SELECT title, recipient_id FROM notifications WHERE type = 'budget' AND title LIKE '%exhausted'")
    owners = [row["id"] for row in await admin.fetch("SELECT id FROM people WHERE role IN ('admin', 'owner')")]
    assert [row["recipient_id"] for row in told] == owners
    assert told[0]["title"] == "The budget of the agent engineer, 1 run an hour, is exhausted"


async def test_a_run_that_comes_to_wait_for_another_budget_lets_others_try_the_first(board, admin):
    desk = Desk(board.database, board.account_id)
    narrow, wide = await desk.budget("1", estimate=Decimal(1)), await desk.budget("10", unit=Unit.TOKENS, estimate=Decimal(1))
    first, second = desk.run(), desk.run()
    await desk.reserve(first)
    await desk.reserve(second)
    await admin.execute("UPDATE budgets SET spent = 10 WHERE id = $1", wide.id)
    await desk.release(first)
    # Two ends of what was in flight: that run, and then the one that waits elsewhere.
    assert await admin.fetchval(RESUMED, str(narrow.id)) == 1
    refused = await desk.reserve(second)
    assert (refused and refused.budget_id) == wide.id
    assert [row["budget_id"] for row in await admin.fetch(WAITS, second.id)] == [wide.id]
    assert await admin.fetchval(RESUMED, str(narrow.id)) == 2
    await desk.release(second)
    assert await admin.fetch(WAITS, second.id) == []


async def test_an_approved_extension_of_an_earlier_version_or_period_adds_nothing(board, admin):
    from app.usage import budgets
    from app.usage.schemas import BudgetEdit

    desk = Desk(board.database, board.account_id)
    made = await desk.budget("1", period=Period.DAY)

    async def granted(version: int, period_at) -> bool:
        async with desk.do() as tx:
            return await budgets.grant(tx, made.id, Decimal("0.5"), version=version, period_at=period_at)

    assert await granted(1, made.period_at)
    assert not await granted(1, made.period_at)
    async with desk.do() as tx:
        await budgets.edit(tx, desk.who, made.id, BudgetEdit(soft_percent=50))
    assert not await granted(2, made.period_at)
    await admin.execute("UPDATE budgets SET period_at = period_at - interval '1 day'")
    assert await granted(3, made.period_at)
    row = await admin.fetchrow("SELECT extra, version FROM budgets")
    assert tuple(row) == (Decimal("0.5"), 4)


async def test_what_is_older_than_it_is_kept_is_taken_away(board, admin):
    desk = Desk(board.database, board.account_id)
    await desk.budget("9", estimate=Decimal("0.2"))
    old, new, open_ = desk.run(), desk.run(), desk.run()
    for run in (old, new, open_):
        await desk.reserve(run)
        await desk.spend(run, "0.1")
    await desk.release(old, new)
    await admin.execute("UPDATE usage_records SET at = at - interval '401 days' WHERE run_id <> $1", new.id)
    await admin.execute("UPDATE budget_reservations SET closed_at = closed_at - interval '401 days' WHERE run_id <> $1", new.id)
    async with desk.do() as tx:
        assert [await keeping.purge(tx, 1), await keeping.purge(tx, 10), await keeping.purge(tx, 10)] == [2, 1, 0]
    assert [row["run_id"] for row in await admin.fetch("SELECT run_id FROM usage_records")] == [new.id]
    left = {row["run_id"] for row in await admin.fetch("SELECT run_id FROM budget_reservations")}
    assert left == {new.id, open_.id}


async def test_a_scrape_tells_how_full_budgets_are_and_what_was_used(board, admin):
    desk = Desk(board.database, board.account_id)
    await desk.budget("2", estimate=Decimal("0.2"))
    await desk.budget("4", period=Period.HOUR)
    await desk.spend(desk.run(), "1.8")
    text = (await board.client(None).get("/metrics")).text
    assert 'callboard_budgets{scope="account",unit="usd"} 2.0' in text
    assert 'callboard_budgets_soft{scope="account",unit="usd"} 1.0' in text
    assert 'callboard_budget_share_highest{scope="account",unit="usd"} 0.9' in text
    assert 'callboard_usage_tokens_total{direction="input"}' in text
    assert "callboard_usage_cost_usd_total" in text
    await admin.execute("UPDATE budgets SET period = 'day', period_at = period_at - interval '2 days' WHERE period = 'none'")
    assert 'callboard_budget_share_highest{scope="account",unit="usd"} 0.45' in (await board.client(None).get("/metrics")).text
