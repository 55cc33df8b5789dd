"""One account's backlog delays another account by a few claims; counted, not timed."""

from uuid import UUID, uuid4

from app.runtime import ledger
from app.runtime.intake import Intake
from tests import make

MANY, SLOTS, FEW = 20_000, 50, 8


async def claims_until(intake, wanted):
    """How many claims it takes until one brings each of the wanted commands; nothing of what was claimed is finished."""
    wanted = set(wanted)
    for number in range(1, 200):
        wanted -= {each.id for each in await intake.claim(SLOTS)}
        if not wanted:
            return number
    raise AssertionError("they were not claimed")


async def test_a_backlog_of_one_account_does_not_delay_another(desk):
    await desk.backlog(MANY)
    intake = Intake(desk.pool, desk.worker)
    for _ in range(4):
        assert len(await intake.claim(SLOTS)) >= SLOTS // 2
    single = await desk.enqueue(make.order(), account=await make.account(desk.admin))
    assert await claims_until(intake, single) <= FEW


async def test_each_priority_has_its_own_turn(desk):
    for prio in range(4):
        await desk.backlog(2_000, prio=prio, delay=-1 - prio)
    other = await make.account(desk.admin)
    intake = Intake(desk.pool, desk.worker)
    for _ in range(3):
        await intake.claim(SLOTS)
    singles = await desk.enqueue(*[make.order(prio=prio) for prio in range(4)], account=other)
    assert await claims_until(intake, singles) <= FEW


async def test_a_hundred_accounts_beside_a_backlog_are_served_in_turn(desk):
    await desk.backlog(MANY)
    intake = Intake(desk.pool, desk.worker)
    await intake.claim(SLOTS)
    singles = []
    for _ in range(100):
        singles += await desk.enqueue(make.order(), account=await make.account(desk.admin))
    # Thirty-two accounts a turn, and every other claim takes turns.
    assert await claims_until(intake, singles) <= 2 * 4 + FEW


async def test_a_backlog_of_lanes_does_not_delay_another_account(desk):
    for _ in range(4):
        await desk.enqueue(*[make.order(lane_id=uuid4()) for _ in range(500)])
    intake = Intake(desk.pool, desk.worker)
    for _ in range(3):
        await intake.claim(SLOTS)
    single = await desk.enqueue(make.order(lane_id=uuid4()), account=await make.account(desk.admin))
    assert await claims_until(intake, single) <= FEW


async def test_a_turn_goes_round_and_never_claims_more_than_it_may(desk):
    accounts = [await make.account(desk.admin) for _ in range(5)]
    for account in accounts:
        await desk.backlog(20, account=account)
    after: dict[int, UUID] = {}
    seen: list[UUID] = []
    for _ in range(4):
        haul = await ledger.claim_in_turn(desk.pool, desk.worker, wanted={2: 3}, after=after)
        assert len(haul.claims) == 3
        after = haul.last
        seen += [claim.account_id for claim, _ in haul.claims]
    assert {seen.count(account) for account in accounts} == {2, 3}


async def test_a_turn_finds_nothing_where_nothing_is(desk):
    haul = await ledger.claim_in_turn(desk.pool, desk.worker, wanted={0: 3, 2: 3}, after={})
    assert (haul.claims, haul.last) == ([], {})


async def test_what_is_deferred_or_in_a_lane_is_not_claimed_in_turn(desk):
    await desk.enqueue(make.order(delay_seconds=60), make.order(lane_id=uuid4()), make.order(prio=1))
    await desk.enqueue(make.order(delay_seconds=60), account=await make.account(desk.admin))
    haul = await ledger.claim_in_turn(desk.pool, desk.worker, wanted={2: 5}, after={})
    assert (haul.claims, haul.accounts) == ([], {2: 2})


async def test_an_account_that_is_there_alone_needs_no_turn(desk):
    await desk.backlog(20)
    haul = await ledger.claim_in_turn(desk.pool, desk.worker, wanted={2: 5}, after={})
    assert (haul.claims, haul.accounts) == ([], {2: 1})


async def test_accounts_take_turns_for_a_single_slot_too(desk):
    accounts = [await make.account(desk.admin) for _ in range(3)]
    for account in accounts:
        await desk.backlog(20, account=account)
    after: dict[int, UUID] = {}
    seen: list[UUID] = []
    for _ in range(6):
        haul = await ledger.claim_in_turn(desk.pool, desk.worker, wanted={2: 1}, after=after)
        after = haul.last
        seen += [claim.account_id for claim, _ in haul.claims]
    assert [seen.count(account) for account in accounts] == [2, 2, 2]
