"""What is no longer kept goes, in small transactions, and nothing else does."""

import asyncio
import json
from uuid import uuid4

import asyncpg
import pytest

from app.runtime import retention
from app.runtime.worker import Worker
from tests import make

ENDED = """UPDATE runtime_commands SET state = $2, finished_at = callboard_now() - $3 * interval '1 day',
    retention_until = callboard_now() + (30 - $3) * interval '1 day' WHERE id = ANY($1::uuid[])"""
ATTEMPTS = """INSERT INTO runtime_command_attempts (account_id, command_id, attempt, worker_id, started_at)
SELECT account_id, id, 1, gen_random_uuid(), callboard_now() FROM runtime_commands WHERE type = 'test.noop'"""
LETTER = """INSERT INTO runtime_dead_letters (account_id, id, command_id, reason_class, message, attempts, state,
    eligible_for_replay, replay_count, retention_until) VALUES ($1, gen_random_uuid(), $2, 'transient', 'm', 1, $3, true, 0,
    callboard_now() + $4 * interval '1 day')"""
OLD_EVENTS = """INSERT INTO events (account_id, seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, source, depth,
    request_id, correlation_id, payload, schema_version, at)
SELECT $1, n - 1000000, gen_random_uuid(), 'a:b:c', 'a', gen_random_uuid(), 1, 'system', 's', 0, 'r', 'c', '{}', 1,
    callboard_now() - make_interval(days => $2 - n + 1) FROM generate_series(1, $2::int) n"""
SET = """INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)
VALUES ($1, $2, $3::text::jsonb, 1, 'r', 'system')"""
COMMANDS = "SELECT id FROM runtime_commands WHERE type = 'test.noop'"


@pytest.fixture
async def retain(world, urls):
    """Runs retention as the worker does; answers its result."""
    stop = asyncio.Event()
    worker = Worker(world.database, urls[1], handlers={retention.RETENTION: retention.retain}, slots=5)
    working = asyncio.create_task(worker.run(stop))

    async def run():
        [command_id] = await make.enqueued(world.database, world.account_id, make.order(type=retention.RETENTION))

        async def is_done():
            return await world.admin.fetchval("SELECT result FROM runtime_commands WHERE id = $1", command_id)

        return json.loads(await make.until(is_done))

    yield run
    stop.set()
    await working


def later(**fields):
    """An order that no worker takes up meanwhile."""
    return make.order(delay_seconds=1_000_000, **fields)


async def ended(world, *, days, state="succeeded", **fields):
    [command_id] = await make.enqueued(world.database, world.account_id, later(**fields))
    await world.admin.execute(ENDED, [command_id], state, days)
    return command_id


async def left(world):
    return {row["id"] for row in await world.admin.fetch(COMMANDS)}


async def test_ended_commands_go_after_their_time_with_their_attempts_and_the_lanes_they_had_alone(world, retain):
    shared = uuid4()
    old = [await ended(world, days=31, state=state) for state in ("succeeded", "canceled", "failed_terminal")]
    old.append(await ended(world, days=31, lane_id=shared))
    alone = await ended(world, days=31, lane_id=(lane := uuid4()))
    young, waiting = await ended(world, days=29), (await make.enqueued(world.database, world.account_id, later()))[0]
    await world.admin.execute(ATTEMPTS)
    assert await left(world) == {*old, alone, young, waiting}
    result = await retain()
    assert await left(world) == {young, waiting}
    assert (result["deleted"]["commands"], result["is_complete"]) == (5, True)
    attempts = await world.admin.fetch("SELECT command_id FROM runtime_command_attempts")
    assert {row["command_id"] for row in attempts} & {young, waiting, alone, *old} == {young, waiting}
    # The epoch of a lane is how receivers know who is late, so a lane that may go on keeps it.
    assert {row["id"] for row in await world.admin.fetch("SELECT id FROM runtime_lanes")} == {shared, lane}


async def test_a_lane_that_a_command_had_to_itself_goes_with_it(world, retain):
    command_id = await ended(world, days=31, lane_id=uuid4())
    await world.admin.execute("UPDATE runtime_commands SET lane_id = NULL, lane_seq = NULL")
    await world.admin.execute("UPDATE runtime_lanes SET id = $1", command_id)
    await world.admin.execute("UPDATE runtime_commands SET lane_id = id, lane_seq = 1")
    await retain()
    assert await world.admin.fetchval("SELECT count(*) FROM runtime_lanes") == 0


@pytest.mark.parametrize(("days", "gone"), [(10, {11, 31}), (60, set())])
async def test_how_long_commands_are_kept_is_a_setting(world, retain, days, gone):
    made = {age: await ended(world, days=age) for age in (1, 9, 11, 31)}
    await world.admin.execute(SET, world.account_id, "retention.commands.days", str(days))
    await retain()
    assert await left(world) == {made[age] for age in made if age not in gone}


async def test_a_command_goes_with_its_dead_letter_and_not_before(world, retain):
    letters = {"open": 100, "discarded": -1, "resolved": 1, "replaying": -1}
    made = {}
    for state, days in letters.items():
        made[state] = await ended(world, days=31, state="dead_lettered")
        await world.admin.execute(LETTER, world.account_id, made[state], state, days)
    result = await retain()
    assert await left(world) == {made[state] for state in made if state != "discarded"}
    assert result["deleted"]["dead_letters"] == 1


async def test_many_go_in_small_transactions(world, retain, monkeypatch):
    monkeypatch.setattr(retention, "MOST_ROWS", 3)
    monkeypatch.setattr(retention, "MOST_FOUND", 7)
    ids = await make.enqueued(world.database, world.account_id, *(later() for _ in range(20)))
    await world.admin.execute(ENDED, ids, "succeeded", 31)
    await world.admin.execute("CREATE TABLE batches (many int); GRANT INSERT ON batches TO callboard_app")
    await world.admin.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO batches SELECT count(*) FROM gone; RETURN NULL; END'"
    )
    await world.admin.execute(
        "CREATE TRIGGER note AFTER DELETE ON runtime_commands REFERENCING OLD TABLE AS gone"
        " FOR EACH STATEMENT EXECUTE FUNCTION note()"
    )
    assert (await retain())["deleted"]["commands"] == 20
    batches = [row["many"] for row in await world.admin.fetch("SELECT many FROM batches")]
    assert (sum(batches), max(batches)) == (20, 3)


async def test_what_takes_too_long_is_gone_on_with_by_another_command(world, retain, monkeypatch):
    monkeypatch.setattr(retention, "LONGEST_RUN_SECONDS", -1.0)
    ids = await make.enqueued(world.database, world.account_id, *(later() for _ in range(4)))
    await world.admin.execute(ENDED, ids, "succeeded", 31)
    assert (await retain())["is_complete"] is False
    monkeypatch.setattr(retention, "LONGEST_RUN_SECONDS", 20.0)

    async def is_clean():
        return not await left(world)

    await make.until(is_clean)


async def test_stored_answers_cleared_alerts_and_old_events_go(world, retain):
    await world.admin.execute(
        "INSERT INTO idempotency_records (account_id, principal_id, verb, key, request_hash, expires_at)"
        " SELECT $1, gen_random_uuid(), 'v', n::text, '', callboard_now() + (n - 3) * interval '1 h'"
        " FROM generate_series(1, 5) n",
        world.account_id,
    )
    await world.admin.execute(
        "INSERT INTO runtime_alerts (account_id, id, fingerprint, kind, severity, message, entity_kind, opened_at, cleared_at)"
        " SELECT $1, gen_random_uuid(), n::text, 'k', 'info', 'm', 'e', callboard_now() - n * interval '1 day',"
        " CASE WHEN n < 95 THEN callboard_now() - n * interval '1 day' END FROM generate_series(85, 99) n",
        world.account_id,
    )
    await world.admin.execute(OLD_EVENTS, world.account_id, 100)
    deleted = (await retain())["deleted"]
    assert {name: deleted[name] for name in ("stored_answers", "alerts", "events")} == {
        "stored_answers": 3,
        "alerts": 5,
        "events": 10,
    }
    assert await world.admin.fetchval("SELECT count(*) FROM events WHERE type = 'a:b:c'") == 90


async def test_nobody_can_take_young_events_or_those_of_another_account_out_of_the_log(world):
    other = await make.account(world.admin)
    for account_id in (world.account_id, other):
        await world.admin.execute(OLD_EVENTS, account_id, 40)
    async with world.do() as tx:
        assert await tx.value("SELECT prune_events(callboard_now() + interval '1 year', 1000)") == 10
    counts = "SELECT count(*) FROM events WHERE account_id = $1"
    assert await world.admin.fetchval(counts, world.account_id) == 30
    assert await world.admin.fetchval(counts, other) == 40
    assert await world.database.app.fetchval("SELECT prune_events(callboard_now(), 1000)") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.database.runtime.fetchval("SELECT prune_events(callboard_now(), 1000)")


async def test_rooms_add_steps_of_their_own(world, retain, monkeypatch):
    monkeypatch.setattr(retention, "_of_rooms", {})
    rows = [5, 3, 0]

    async def step(_tx, _most):
        return rows.pop(0)

    retention.add("things", step)
    assert (await retain())["deleted"]["things"] == 8


async def test_what_is_approved_goes_with_its_command(world, retain):
    command_id = await ended(world, days=31)
    await world.admin.execute(
        "INSERT INTO approvals (account_id, id, command_id, summary, state, min_role, requested_by_kind, version)"
        " VALUES ($1, gen_random_uuid(), $2, '', 'approved', 'admin', 'system', 1)",
        world.account_id,
        command_id,
    )
    await retain()
    assert await world.admin.fetchval("SELECT count(*) FROM approvals") == 0
