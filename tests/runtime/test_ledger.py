import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from app.kernel import db
from app.kernel.errors import Fenced
from app.kernel.ids import new_id
from app.runtime import closings, ledger
from app.runtime.closings import Failure
from app.runtime.handlers import Attempt
from app.runtime.queries import workers as queries
from app.runtime.service import enqueue
from app.runtime.types import ErrorClass
from tests import make

EVERY_CLASS = {0: 50, 1: 50, 2: 50, 3: 50}
TRANSIENT = Failure(error=ErrorClass.TRANSIENT, message="try again")
INVALID = Failure(error=ErrorClass.VALIDATION, message="it will never work")


@pytest.fixture
async def pool(database):
    return database.runtime


@pytest.fixture
def lock_holders():
    return []


@pytest.fixture
async def a_worker(urls, pool, lock_holders):
    """Registers living workers; `lock_holders` are their connections."""

    async def register() -> UUID:
        worker_id = new_id()
        connection = await db.direct(urls[1], role=db.RUNTIME_ROLE)
        lock_holders.append(connection)
        key = worker_id.int & (2**62 - 1)
        await connection.execute(queries.LOCK, key)
        await connection.execute(queries.REGISTER, worker_id, key, "here", 1, "", 50)
        return worker_id

    yield register
    for connection in lock_holders:
        connection.terminate()


@pytest.fixture
async def worker(a_worker):
    return await a_worker()


async def claim(pool, worker_id):
    return [each for each, _ in await ledger.claim_commands(pool, worker_id, wanted=EVERY_CLASS)]


def attempt_of(claimed, worker_id, database):
    return Attempt(claimed, worker_id=worker_id, database=database, resources=None)


async def finish(attempt, *orders):
    async with attempt.transaction() as tx:
        for each in orders:
            enqueue(tx, each, actor=None)
        attempt.finish(tx)


async def state_of(admin, command_id):
    return dict(await admin.fetchrow("SELECT * FROM runtime_commands WHERE id = $1", command_id))


async def kinds(admin):
    return [row["type"].rpartition(":")[2] for row in await admin.fetch("SELECT type FROM events ORDER BY account_id, seq")]


async def lane_of(admin):
    return tuple(await admin.fetchrow("SELECT state, last_seq, done_seq, epoch, worker_id FROM runtime_lanes"))


async def test_a_claim_starts_an_attempt_and_tells_of_it(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order(payload={"word": "käse"}))
    [claimed] = await claim(pool, worker)
    assert (claimed.id, claimed.attempt, claimed.payload) == (command_id, 1, '{"word": "käse"}'.encode())
    assert (await state_of(admin, command_id))["state"] == "running"
    assert await admin.fetchval("SELECT count(*) FROM runtime_command_attempts WHERE completed_at IS NULL") == 1
    assert await kinds(admin) == ["created", "started"]
    assert await claim(pool, worker) == []


async def test_deferred_commands_are_not_claimed_before_their_time(database, pool, account, worker):
    await make.enqueued(database, account, make.order(delay_seconds=60))
    assert await claim(pool, worker) == []


async def test_a_worker_without_a_row_claims_nothing(database, pool, account):
    await make.enqueued(database, account, make.order(), make.order(lane_id=uuid4()))
    assert await claim(pool, uuid4()) == []
    assert await ledger.claim_lanes(pool, uuid4(), wanted=5) == []


async def test_events_of_a_batch_are_numbered_per_account(database, pool, admin, worker):
    accounts = [await make.account(admin) for _ in range(3)]
    for account_id in accounts:
        await make.enqueued(database, account_id, *[make.order() for _ in range(4)])
    claims = await claim(pool, worker)
    assert len(claims) == 12
    assert len(await ledger.close(pool, [closings.succeeded(each, worker_id=worker) for each in claims])) == 12
    for account_id in accounts:
        rows = await admin.fetch("SELECT seq FROM events WHERE account_id = $1 ORDER BY seq", account_id)
        assert [row["seq"] for row in rows] == list(range(1, 13))
    versions = await admin.fetch("SELECT entity_id, array_agg(sequence ORDER BY seq) AS s FROM events GROUP BY 1")
    assert {tuple(row["s"]) for row in versions} == {(0, 1, 2)}


async def test_a_finish_and_its_effects_are_one_commit(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order())
    [claimed] = await claim(pool, worker)
    attempt = attempt_of(claimed, worker, database)
    async with attempt.transaction() as tx:
        enqueue(tx, make.order(type="test.follow"), actor=None)
        attempt.finish(tx, {"answer": 42})
    row = await state_of(admin, command_id)
    assert (row["state"], row["result"], row["finished_at"] is None) == ("succeeded", '{"answer": 42}', False)
    follow = await admin.fetchrow("SELECT cause_id, request_id FROM runtime_commands WHERE type = 'test.follow'")
    assert (follow["cause_id"], follow["request_id"]) == (command_id, "req-test")
    assert await admin.fetchval("SELECT outcome FROM runtime_command_attempts") == "succeeded"


async def test_a_zombie_finish_undoes_its_effects(database, pool, admin, account, worker, lock_holders):
    await make.enqueued(database, account, make.order())
    [stale] = await claim(pool, worker)
    lock_holders[0].terminate()
    await make.until(lambda: ledger.reap(pool))
    zombie = attempt_of(stale, worker, database)
    with pytest.raises(Fenced):
        await finish(zombie, make.order(type="test.effect"))
    assert not zombie.is_finished
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE type = 'test.effect'") == 0
    assert await ledger.close(pool, [closings.succeeded(stale, worker_id=worker)]) == set()
    assert "lease_expired" in await kinds(admin)


async def test_the_fence_knows_worker_attempt_and_epoch(database, pool, account, worker):
    await make.enqueued(database, account, make.order(lane_id=uuid4()))
    [claimed] = await ledger.claim_lanes(pool, worker, wanted=1)
    holders = [
        (replace(claimed, attempt=claimed.attempt + 1), worker),
        (claimed, uuid4()),
        (replace(claimed, lane_epoch=(claimed.lane_epoch or 0) + 1), worker),
    ]
    for stale, worker_id in holders:
        attempt = attempt_of(stale, worker_id, database)
        with pytest.raises(Fenced):
            await finish(attempt)
    rightful = attempt_of(claimed, worker, database)
    async with rightful.transaction() as tx:
        rightful.finish(tx)
    assert rightful.is_finished


async def test_a_failure_that_counts_is_tried_again_later(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order())
    [claimed] = await claim(pool, worker)
    await ledger.close(pool, [closings.failed(claimed, TRANSIENT, worker_id=worker, jitter=0.5)])
    row = await state_of(admin, command_id)
    assert (row["state"], row["attempt"], row["waited"]) == ("retry_scheduled", 1, 0)
    assert (row["last_error_class"], row["last_error_message"]) == ("transient", "try again")
    assert row["run_at"] > row["updated_at"]
    assert await claim(pool, worker) == []


async def test_a_wait_uses_no_attempt(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order(profile="delivery"))
    for waits in range(1, 6):
        [claimed] = await claim(pool, worker)
        busy = Failure(error=ErrorClass.RATE_LIMITED, message="slow down", retry_after=0)
        await ledger.close(pool, [closings.failed(claimed, busy, worker_id=worker, jitter=0)])
        row = await state_of(admin, command_id)
        assert (row["state"], row["attempt"], row["waited"]) == ("retry_scheduled", waits, waits)


async def test_giving_up_buries_the_command(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order())
    [claimed] = await claim(pool, worker)
    await ledger.close(pool, [closings.failed(claimed, INVALID, worker_id=worker, jitter=0)])
    letter = await admin.fetchrow("SELECT command_id, reason_class, message, attempts, state FROM runtime_dead_letters")
    assert tuple(letter) == (command_id, "validation_failed", "it will never work", 1, "open")
    assert await kinds(admin) == ["created", "started", "dead_lettered"]


async def test_best_effort_leaves_no_letter(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order(profile="best_effort"))
    [claimed] = await claim(pool, worker)
    await ledger.close(pool, [closings.failed(claimed, INVALID, worker_id=worker, jitter=0)])
    assert (await state_of(admin, command_id))["state"] == "failed_terminal"
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0
    assert await kinds(admin) == ["created", "started", "failed"]


async def test_a_release_uses_no_attempt_and_frees_the_lane(database, pool, admin, account, worker):
    await make.enqueued(database, account, make.order(lane_id=uuid4()))
    [claimed] = await ledger.claim_lanes(pool, worker, wanted=1)
    await ledger.close(pool, [closings.released(claimed, worker_id=worker)])
    [again] = await ledger.claim_lanes(pool, worker, wanted=1)
    assert (again.attempt, again.released, again.budget_used, again.lane_epoch) == (2, 1, 1, 2)


async def test_lanes_are_leased_one_command_at_a_time(database, pool, admin, account, worker):
    lane = uuid4()
    first, second, third = await make.enqueued(database, account, *[make.order(lane_id=lane) for _ in range(3)])
    [one] = await ledger.claim_lanes(pool, worker, wanted=5)
    assert one.id == first
    assert await ledger.claim_lanes(pool, worker, wanted=5) == []
    await ledger.close(pool, [closings.failed(one, INVALID, worker_id=worker, jitter=0)])
    [two] = await ledger.claim_lanes(pool, worker, wanted=5)
    assert two.id == second
    attempt = attempt_of(two, worker, database)
    async with attempt.transaction() as tx:
        enqueue(tx, make.order(lane_id=lane), actor=None)
        attempt.finish(tx)
    [three] = await ledger.claim_lanes(pool, worker, wanted=5)
    assert three.id == third
    await ledger.close(pool, [closings.succeeded(three, worker_id=worker)])
    [four] = await ledger.claim_lanes(pool, worker, wanted=5)
    await ledger.close(pool, [closings.succeeded(four, worker_id=worker)])
    assert await lane_of(admin) == ("idle", 4, 4, 4, None)


async def test_a_lane_waits_for_its_head(database, pool, account, worker):
    lane = uuid4()
    await make.enqueued(database, account, make.order(lane_id=lane, profile="delivery"), make.order(lane_id=lane))
    [head] = await ledger.claim_lanes(pool, worker, wanted=5)
    later = Failure(error=ErrorClass.RATE_LIMITED, message="later", retry_after=0.2)
    await ledger.close(pool, [closings.failed(head, later, worker_id=worker, jitter=0)])
    assert await ledger.claim_lanes(pool, worker, wanted=5) == []
    [again] = await make.until(lambda: ledger.claim_lanes(pool, worker, wanted=5))
    assert (again.id, again.attempt) == (head.id, 2)


async def test_a_lane_whose_head_is_deferred_steps_back(database, pool, admin, account, worker):
    await make.enqueued(database, account, make.order(lane_id=uuid4(), delay_seconds=0.3))
    assert await ledger.claim_lanes(pool, worker, wanted=5) == []
    assert await admin.fetchval("SELECT ready_at > now() FROM runtime_lanes")
    assert await make.until(lambda: ledger.claim_lanes(pool, worker, wanted=5))


async def test_canceled_commands_do_not_stall_their_lane(database, pool, admin, account, worker):
    lane = uuid4()
    ids = await make.enqueued(database, account, *[make.order(lane_id=lane) for _ in range(3)])
    await admin.execute("UPDATE runtime_commands SET state = 'canceled' WHERE id = ANY($1)", ids[:2])
    [claimed] = await ledger.claim_lanes(pool, worker, wanted=5)
    assert claimed.id == ids[2]
    await ledger.close(pool, [closings.succeeded(claimed, worker_id=worker)])
    [last] = await make.enqueued(database, account, make.order(lane_id=lane))
    await admin.execute("UPDATE runtime_commands SET state = 'canceled' WHERE id = $1", last)
    assert await ledger.claim_lanes(pool, worker, wanted=5) == []
    assert (await lane_of(admin))[:3] == ("idle", 4, 4)


async def test_a_locked_head_is_not_overtaken(database, pool, admin, account, worker):
    lane = uuid4()
    ids = await make.enqueued(database, account, *[make.order(lane_id=lane) for _ in range(2)])
    async with admin.transaction():
        await admin.execute("SELECT 1 FROM runtime_commands WHERE id = $1 FOR UPDATE", ids[0])
        assert await ledger.claim_lanes(pool, worker, wanted=5) == []
    assert [each.id for each in await ledger.claim_lanes(pool, worker, wanted=5)] == ids[:1]


async def test_eight_workers_never_claim_the_same_command(urls, database, pool, account, a_worker):
    await make.enqueued(database, account, *[make.order(prio=place % 4) for place in range(400)])
    workers = [await a_worker() for _ in range(8)]
    pools = [await db.pool(urls[1], role=db.RUNTIME_ROLE, size=1) for _ in workers]

    async def drain(own, worker_id):
        mine = []
        while batch := [each for each, _ in await ledger.claim_commands(own, worker_id, wanted=dict.fromkeys(range(4), 3))]:
            mine += [each.id for each in batch]
        return mine

    drained = await asyncio.gather(*[drain(own, worker_id) for own, worker_id in zip(pools, workers, strict=True)])
    for own in pools:
        await own.close()
    found = [command_id for mine in drained for command_id in mine]
    rest = [each.id for each in await claim(pool, workers[0])] + [each.id for each in await claim(pool, workers[0])]
    assert len(found + rest) == len(set(found + rest)) == 400


async def test_what_a_caller_undoes_was_never_enqueued(database, pool, admin, account, worker):
    async def changes_its_mind():
        async with database.transaction(account, origin=make.ORIGIN) as tx:
            enqueue(tx, make.order(lane_id=uuid4()), actor=None)
            await tx.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await changes_its_mind()
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands") == 0
    assert await admin.fetchval("SELECT count(*) FROM runtime_lanes") == 0
    assert await admin.fetchval("SELECT last_seq FROM event_counters") == 0


async def test_the_dead_are_reaped_and_a_restart_is_not_their_fault(database, pool, admin, account, worker, lock_holders):
    [command_id] = await make.enqueued(database, account, make.order(lane_id=uuid4()))
    await ledger.claim_lanes(pool, worker, wanted=1)
    assert await ledger.reap(pool) == set()
    await admin.execute("UPDATE runtime_commands SET claimed_at = pg_postmaster_start_time() - interval '1 s'")
    lock_holders[0].terminate()
    await make.until(lambda: ledger.reap(pool))
    row = await state_of(admin, command_id)
    assert (row["state"], row["lost"], row["released"]) == ("retry_scheduled", 0, 1)
    assert (await lane_of(admin))[0] == "ready"


async def test_a_worker_that_stops_beating_is_dead(database, pool, admin, account, worker):
    [command_id] = await make.enqueued(database, account, make.order())
    await claim(pool, worker)
    await admin.execute("UPDATE runtime_workers SET beat_at = beat_at - interval '16 s'")
    assert len(await ledger.reap(pool)) == 1
    row = await state_of(admin, command_id)
    assert (row["state"], row["lost"], row["released"]) == ("retry_scheduled", 1, 0)
    await admin.execute("UPDATE runtime_workers SET beat_at = beat_at - interval '61 s'")
    await pool.execute(queries.FORGET_DEAD)
    assert await admin.fetchval("SELECT count(*) FROM runtime_workers") == 0
    assert await claim(pool, worker) == []


async def test_the_reaper_leaves_a_finish_under_way_alone(database, pool, admin, account, worker, lock_holders):
    [command_id] = await make.enqueued(database, account, make.order())
    [claimed] = await claim(pool, worker)
    lock_holders[0].terminate()
    attempt = attempt_of(claimed, worker, database)
    async with attempt.transaction() as tx:
        await tx.value("SELECT 1 FROM runtime_commands WHERE id = $1 FOR UPDATE", command_id)
        assert await ledger.reap(pool) == set()
        attempt.finish(tx)
    assert (await state_of(admin, command_id))["state"] == "succeeded"


async def test_agents_that_wake_each_other_do_not_deadlock(database, pool, admin, account, worker):
    lanes = [uuid4() for _ in range(4)]
    for _ in range(6):
        await make.enqueued(database, account, *[make.order(lane_id=lane) for lane in lanes])
    while claims := await ledger.claim_lanes(pool, worker, wanted=10):

        async def wake_the_others(claimed):
            attempt = attempt_of(claimed, worker, database)
            async with attempt.transaction() as tx:
                attempt.finish(tx)
                if claimed.depth == 0 and claimed.lane_seq <= 6:
                    for lane in lanes:
                        enqueue(tx, make.order(lane_id=lane), actor=None)

        await asyncio.gather(*[wake_the_others(each) for each in claims])
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state <> 'succeeded'") == 0
    assert await admin.fetchval("SELECT bool_and(state = 'idle' AND done_seq = last_seq) FROM runtime_lanes")


async def test_a_plain_success_is_fenced_by_attempt_and_by_worker(database, pool, admin, account, worker, a_worker):
    first, second = await make.enqueued(database, account, make.order(), make.order())
    stale = await claim(pool, worker)
    await ledger.close(pool, [closings.released(each, worker_id=worker) for each in stale])
    held = {each.id: each for each in await claim(pool, worker)}
    assert {each.attempt for each in held.values()} == {2}
    assert await ledger.close(pool, [closings.succeeded(each, worker_id=worker) for each in stale]) == set()
    stranger = await a_worker()
    assert await ledger.close(pool, [closings.succeeded(held[first], worker_id=stranger)]) == set()
    assert (await state_of(admin, first))["state"] == "running"
    assert await ledger.close(pool, [closings.succeeded(held[second], worker_id=worker)]) == {(account, second)}


async def test_plain_and_other_ends_are_saved_together(database, pool, admin, account, worker):
    await make.enqueued(database, account, *[make.order() for _ in range(3)])
    [plain, failing, telling] = await claim(pool, worker)
    spending = closings.Spending(summary="said something")
    batch = [
        closings.succeeded(plain, worker_id=worker),
        closings.failed(failing, INVALID, worker_id=worker, jitter=0),
        closings.succeeded(telling, worker_id=worker, spending=spending),
    ]
    assert [one.is_plain for one in batch] == [True, False, False]
    assert await ledger.close(pool, batch) == {(account, one.id) for one in batch}
    states = await admin.fetch("SELECT state FROM runtime_commands ORDER BY state")
    assert [row["state"] for row in states] == ["dead_lettered", "succeeded", "succeeded"]
    open_attempts = "SELECT count(*) FROM runtime_command_attempts WHERE completed_at IS NULL"
    assert await admin.fetchval(open_attempts) == 0
    kept = "SELECT count(*) FROM runtime_commands WHERE retention_until > now() AND finished_at IS NOT NULL"
    assert await admin.fetchval(kept) == 3
