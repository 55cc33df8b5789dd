import asyncio

from tests import make
from tests.runtime.api.desk import submitted, working
from tests.runtime.controls import desk
from tests.runtime.controls.desk import WHY

STATES = "SELECT state, count(*) FROM runtime_commands WHERE type = $1 GROUP BY state"
PROBE = "runtime.probe"
RAN = """
SELECT command_id FROM runtime_command_attempts a JOIN runtime_commands c ON c.id = command_id
WHERE c.type = 'test.noop' ORDER BY started_at
"""
ATTEMPTS = """
SELECT count(*) FROM runtime_command_attempts a JOIN runtime_commands c ON c.id = command_id WHERE c.type = 'runtime.probe'
"""
OWN = "SELECT count(*) FROM runtime_commands WHERE type = 'runtime.release_paused' AND state = 'succeeded'"


def states(admin, kind=PROBE, **wanted):
    async def are_so():
        return {row["state"]: row["count"] for row in await admin.fetch(STATES, kind)} == wanted

    return are_so


async def resumed(board, kind, name=""):
    answer = await desk.resume(board, kind, name)
    assert answer.status_code == 204, answer.text


async def test_what_is_paused_is_held_and_goes_on_when_the_pause_ends(board, admin):
    kinds = [("all", ""), ("queue", "inbound"), ("type", PROBE)]
    async with working(board):
        for done, (kind, name) in enumerate(kinds):
            made = await desk.pause(board, kind, name)
            assert (made["reason"], made["paused_by_kind"], made["held"]) == (WHY, "person", 0)
            for _ in range(3):
                await submitted(board)
            await make.until(states(admin, held=3, **({"succeeded": done * 3} if done else {})))
            assert await admin.fetchval(ATTEMPTS) == done * 3
            assert (await desk.pauses(board))[f"{kind}:{name}"]["held"] == 3
            await resumed(board, kind, name)
            await make.until(states(admin, succeeded=done * 3 + 3))
    assert await desk.pauses(board) == {}
    seen = await desk.told(admin, "runtime:command:resumed")
    assert {(event["from"], event["state"]) for event in seen} == {("held", "queued")}
    assert [event["held_by"] for event in seen] == [f"pause:{kind}:{name}" for kind, name in kinds for _ in range(3)]
    assert [event["reason"] for event in await desk.told(admin, "runtime:pause:created")] == [WHY] * 3
    assert [event["reason"] for event in await desk.told(admin, "runtime:pause:ended")] == [WHY] * 3


async def test_what_is_not_paused_goes_on(board, admin):
    await desk.pause(board, "queue", "control")
    await desk.pause(board, "type", "delivery.send")
    async with working(board):
        await submitted(board)
        await make.until(states(admin, succeeded=1))


async def test_what_runs_when_the_pause_begins_goes_on(board, admin):
    async with working(board):
        await submitted(board, payload={"seconds": 0.5})
        await make.until(states(admin, running=1))
        await desk.pause(board, "all")
        await make.until(states(admin, succeeded=1))


async def test_a_large_backlog_goes_on_in_batches(board, admin, monkeypatch):
    monkeypatch.setattr("app.runtime.releasing.BATCH", 10)
    monkeypatch.setattr("app.runtime.releasing.MOST_BATCHES", 2)
    orders = [make.order() for _ in range(55)]
    await desk.pause(board, "type", "test.noop")
    async with working(board):
        await make.enqueued(board.database, board.account_id, *orders)
        await make.until(states(admin, "test.noop", held=55))
        await resumed(board, "type", "test.noop")
        await make.until(states(admin, "test.noop", succeeded=55))

    async def chained():
        return await admin.fetchval(OWN) >= 3

    await make.until(chained)
    assert len(await desk.told(admin, "runtime:command:resumed")) == 55


async def test_what_a_claim_held_after_the_pause_had_ended_is_released_too(board, admin):
    async with working(board):
        await desk.pause(board, "type", PROBE)
        await resumed(board, "type", PROBE)
        await make.until(states(admin, "runtime.release_paused", succeeded=1, queued=1))
        await submitted(board)
        await make.until(states(admin, succeeded=1))
        await admin.execute(
            "UPDATE runtime_commands SET state = 'held', held_by = $1 WHERE type = $2", f"pause:type:{PROBE}", PROBE
        )
        await admin.execute("UPDATE runtime_commands SET run_at = now() WHERE type = 'runtime.release_paused'")
        await make.until(states(admin, succeeded=1))


async def test_a_pause_that_is_there_again_keeps_what_it_holds(board, admin):
    await desk.pause(board, "type", PROBE)
    async with working(board):
        await submitted(board)
        await make.until(states(admin, held=1))
    await resumed(board, "type", PROBE)
    await desk.pause(board, "type", PROBE)
    async with working(board):

        async def is_over():
            return await admin.fetchval(OWN) == 1

        await make.until(is_over)
        assert await states(admin, held=1)()
        assert await desk.told(admin, "runtime:command:resumed") == []


async def test_what_an_approval_or_an_operator_holds_is_no_pauses_to_release(board, admin):
    await desk.pause(board, "all")
    ids = await make.enqueued(board.database, board.account_id, *(make.order(held_by=by) for by in ("approval", "operator")))
    await resumed(board, "all")
    async with working(board):

        async def is_over():
            return await admin.fetchval(OWN) == 1

        await make.until(is_over)
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state = 'held'") == len(ids)


async def test_a_pause_is_made_once_and_ended_once(board):
    answers = await asyncio.gather(
        *[board.person.post(f"{desk.RUNTIME}/pauses", json={"kind": "all", "reason": WHY}) for _ in range(4)]
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    answers = await asyncio.gather(*[desk.resume(board, "all") for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]


NOWHERE = [("all", "x", "name"), ("queue", "urgent", "name"), ("queue", "", "name"), ("type", "no.such", "command_type")]


async def test_what_does_not_exist_is_not_paused_and_what_is_not_paused_is_not_found(board):
    for kind, name, field in NOWHERE:
        answer = await board.person.post(f"{desk.RUNTIME}/pauses", json={"kind": kind, "name": name, "reason": WHY})
        assert desk.refused(answer, 422)["details"]["fields"][0]["field"] == field
    desk.refused(await board.person.post(f"{desk.RUNTIME}/pauses", json={"kind": "lane", "reason": WHY}), 422)
    desk.refused(await desk.resume(board, "queue", "inbound"), 404)
    desk.refused(await desk.resume(board, "moon"), 404)
    desk.refused(await board.person.delete(f"{desk.RUNTIME}/pauses/all"), 422)


async def test_a_kill_switch_over_work_is_a_pause_that_only_the_switch_ends(board, admin):
    for switch, kind, name in (("switch.claims", "all", ""), ("switch.deliveries", "type", "delivery.send")):
        await desk.set_(board, switch, True)
        assert (await desk.pauses(board))[f"{kind}:{name}"]["reason"] == WHY
        error = desk.refused(await desk.resume(board, kind, name), 409)
        assert error["details"]["switch"] == switch
        await desk.set_(board, switch, True)
        await desk.reset(board, switch)
        assert await desk.pauses(board) == {}
        await desk.set_(board, switch, False)
    assert len(await desk.told(admin, "runtime:pause:ended")) == 2


async def test_a_released_kill_switch_ends_no_pause_that_an_operator_made_before(board):
    for switch, kind, name in (("switch.claims", "all", ""), ("switch.deliveries", "type", "delivery.send")):
        made = await desk.pause(board, kind, name)
        await desk.set_(board, switch, False)
        await desk.set_(board, switch, True)
        desk.refused(await desk.resume(board, kind, name), 409)
        await desk.reset(board, switch)
        assert await desk.pauses(board) == {f"{kind}:{name}": made}
        await resumed(board, kind, name)
        assert await desk.pauses(board) == {}


async def test_the_kill_switch_over_claims_lets_what_it_held_go_on(board, admin):
    await desk.set_(board, "switch.claims", True)
    async with working(board):
        await submitted(board)
        await make.until(states(admin, held=1))
        await desk.set_(board, "switch.claims", False)
        await make.until(states(admin, succeeded=1))


async def test_a_lane_keeps_its_order_over_a_pause(board, admin):
    lane = await admin.fetchval("SELECT gen_random_uuid()")
    orders = [make.order(lane_id=lane) for _ in range(5)]
    await desk.pause(board, "type", "test.noop")
    async with working(board):
        ids = await make.enqueued(board.database, board.account_id, *orders)

        async def waits():
            return (await desk.pauses(board))["type:test.noop"]["waiting_lanes"] == 1

        await make.until(waits)
        await resumed(board, "type", "test.noop")
        await make.until(states(admin, "test.noop", succeeded=5))
    assert [row["command_id"] for row in await admin.fetch(RAN)] == ids
