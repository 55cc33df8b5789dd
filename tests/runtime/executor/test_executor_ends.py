"""What an end leaves: how long it is kept, when it is too late to retry, what becomes of a replay, who is alarmed."""

import json
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from app.runtime import closings, ledger
from app.runtime.closings import Failure, Spending
from app.runtime.types import ErrorClass
from tests import make
from tests.runtime.executor.desk import INVALID, TRANSIENT

UNAVAILABLE = Failure(error=ErrorClass.UNAVAILABLE, message="it is away")


async def letter(desk):
    return dict(await desk.admin.fetchrow("SELECT * FROM runtime_dead_letters"))


async def alerts(desk):
    rows = await desk.admin.fetch("SELECT * FROM runtime_alerts ORDER BY opened_at")
    return [(row["severity"], row["seen"], row["cleared_at"] is None) for row in rows]


async def kept_for(desk, command_id):
    row = await desk.row(command_id)
    return row["retention_until"] - row["finished_at"]


@pytest.mark.parametrize(("profile", "days"), [("standard_async", 30), ("best_effort", 7)])
async def test_what_succeeded_is_kept_as_long_as_its_profile_says(desk, profile, days):
    one, other = await desk.enqueue(make.order(profile=profile), make.order(profile=profile))
    for claimed in await desk.claim():
        await (desk.finish(claimed) if claimed.id == one else desk.succeed(claimed))
    assert await kept_for(desk, one) == await kept_for(desk, other) == timedelta(days=days)


async def test_what_was_given_up_is_kept_as_long_as_its_letter(desk):
    [command_id] = await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    await desk.fail(claimed, INVALID)
    assert await kept_for(desk, command_id) == timedelta(days=90)
    assert (await letter(desk))["retention_until"] == (await desk.row(command_id))["retention_until"]


async def test_what_is_tried_again_has_no_end_yet(desk):
    [command_id] = await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    await desk.fail(claimed)
    row = await desk.row(command_id)
    assert (row["retention_until"], row["finished_at"], row["state"]) == (None, None, "retry_scheduled")


async def test_the_first_start_is_noted_once(desk):
    [command_id] = await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    first = (await desk.row(command_id))["first_started_at"]
    assert (first is None, claimed.elapsed) == (False, 0.0)
    await desk.fail(claimed)
    [again] = await desk.claim()
    assert (await desk.row(command_id))["first_started_at"] == first
    assert again.elapsed > 0


async def test_no_retry_comes_after_the_profiles_total(desk):
    early, late = await desk.enqueue(make.order(), make.order())
    claims = {each.id: each for each in await desk.claim()}
    # The wait, jittered fully, is one second.
    await desk.fail(claims[early], jitter=0.99, total=10, took=8)
    await desk.fail(claims[late], jitter=0.99, total=10, took=9.5)
    assert await desk.state(early) == "retry_scheduled"
    row = await desk.row(late)
    assert (row["state"], row["last_error_class"]) == ("dead_lettered", "transient")


async def test_a_lost_command_is_not_taken_up_after_its_total_but_a_restart_never_counts(desk):
    [command_id] = await desk.enqueue(make.order())
    await desk.claim()
    started = "UPDATE runtime_commands SET first_started_at = now() - interval '2 h', claimed_at = now() - interval '{}'"
    await desk.admin.execute(started.format("1 year"))
    await desk.lose()
    row = await desk.row(command_id)
    assert (row["state"], row["released"], row["lost"]) == ("retry_scheduled", 1, 0)


async def test_a_worker_that_dies_beyond_the_total_takes_the_command_with_it(desk):
    [command_id] = await desk.enqueue(make.order())
    await desk.claim()
    await desk.admin.execute("UPDATE runtime_commands SET first_started_at = now() - interval '2 h'")
    await desk.lose()
    row = await desk.row(command_id)
    assert (row["state"], row["last_error_class"]) == ("dead_lettered", "worker_lost")


async def replaying(desk, **fields):
    """A command in its replay's first attempt; and the alert that its death raised, if any."""
    [command_id] = await desk.enqueue(make.order(**fields))
    [claimed] = await desk.claim()
    await desk.fail(claimed, INVALID)
    await desk.replay(command_id)
    [again] = await desk.claim()
    return again


@pytest.mark.parametrize("how", ["finish", "succeed"])
async def test_a_replay_that_succeeds_settles_its_letter_and_clears_the_alert(desk, how):
    again = await replaying(desk, profile="critical_path")
    assert await alerts(desk) == [("critical", 1, True)]
    await getattr(desk, how)(again)
    found = await letter(desk)
    assert (found["state"], found["resolved_at"] is None, found["retention_until"] is None) == ("resolved", False, False)
    assert await alerts(desk) == [("critical", 1, False)]
    assert set(await desk.events()) >= {"alert:raised", "alert:cleared", "command:dead_lettered", "command:succeeded"}


async def test_a_replay_has_a_fresh_budget_and_a_fresh_total(desk):
    again = await replaying(desk)
    assert (again.attempt, again.spent, again.budget_used, again.elapsed) == (2, 1, 1, 0.0)
    await desk.fail(again, TRANSIENT)
    assert await desk.state(again.id) == "retry_scheduled"


async def test_a_replay_that_dies_again_opens_its_letter_and_alarms(desk):
    again = await replaying(desk)
    assert await alerts(desk) == []
    await desk.fail(again, INVALID)
    found = await letter(desk)
    assert (found["state"], found["attempts"], found["replay_count"]) == ("open", 2, 1)
    assert await alerts(desk) == [("warning", 1, True)]
    await desk.replay(again.id)
    [third] = await desk.claim()
    await desk.fail(third, INVALID)
    assert await alerts(desk) == [("warning", 2, True)]
    assert (await desk.events()).count("alert:raised") == 1


async def test_a_replay_that_is_canceled_gives_its_letter_up(desk):
    again = await replaying(desk, profile="critical_path")
    await ledger.close(desk.pool, [closings.canceled(again, worker_id=desk.worker)])
    found = await letter(desk)
    assert (found["state"], found["discard_reason"]) == ("discarded", "its replay was canceled")
    assert await alerts(desk) == [("critical", 1, False)]


async def test_only_a_profile_that_alerts_alarms_at_the_first_death(desk):
    critical, _ = await desk.enqueue(make.order(profile="critical_path"), make.order())
    for claimed in await desk.claim():
        await desk.fail(claimed, INVALID)
    rows = await desk.admin.fetch("SELECT fingerprint, kind, entity_kind, entity_id, message FROM runtime_alerts")
    said = "test.noop was given up: it will never work"
    assert [tuple(row) for row in rows] == [(f"dead_letter:{critical}", "dead_letter", "command", critical, said)]


async def test_a_letter_under_review_halts_its_lane(desk):
    lane = uuid4()
    first, second = await desk.enqueue(*[make.order(lane_id=lane, profile="manual_review") for _ in range(2)])
    [claimed] = await desk.lease()
    await desk.fail(claimed, INVALID)
    row = await desk.admin.fetchrow("SELECT state, done_seq, worker_id FROM runtime_lanes")
    assert tuple(row) == ("halted", 0, None)
    await desk.enqueue(make.order(lane_id=lane))
    assert await desk.lease() == []
    assert await desk.state(second) == "queued"
    # The verdict: it is tried once more, first.
    await desk.replay(first)
    await desk.admin.execute("UPDATE runtime_lanes SET state = 'ready', ready_at = now()")
    [again] = await desk.lease()
    assert again.id == first
    await desk.succeed(again)
    assert [each.id for each in await desk.lease()] == [second]


@pytest.mark.parametrize("end", ["finish", "succeed", "fail"])
async def test_what_an_attempt_used_is_kept_however_it_ends(desk, end):
    await desk.enqueue(make.order())
    [claimed] = await desk.claim()
    attempt = desk.attempt(claimed)
    attempt.spent_on(tokens={"input": 100, "output": 7}, cost_usd=Decimal("0.25"), executor="gateway")
    attempt.spent_on(tokens={"input": 20}, cost_usd=Decimal("0.000001"), summary="answered\x00")
    about = {"worker_id": desk.worker, "spending": attempt.spending}
    match end:
        case "finish":
            async with attempt.transaction() as tx:
                attempt.finish(tx)
        case "succeed":
            await ledger.close(desk.pool, [closings.succeeded(claimed, **about)])
        case "fail":
            await ledger.close(desk.pool, [closings.failed(claimed, UNAVAILABLE, jitter=0, **about)])
    row = await desk.admin.fetchrow("SELECT token_usage, cost_usd, executor, result_summary FROM runtime_command_attempts")
    assert json.loads(row["token_usage"]) == {"input": 120, "output": 7}
    assert tuple(row)[1:] == (Decimal("0.250001"), "gateway", "answered")
    assert attempt.spending == Spending(
        tokens={"input": 120, "output": 7}, cost_usd=Decimal("0.250001"), executor="gateway", summary="answered"
    )
