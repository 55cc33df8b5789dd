import msgspec
import pytest

from tests import gateways, make
from tests.gateways import MALFORMED, NOTHING, finds, hangs, hurry, refuses, says, settled, thread

FAILED = "SELECT payload FROM events WHERE type = 'runtime:command:retry_scheduled' ORDER BY seq LIMIT 1"
UNCOUNTED = """SELECT c.waited > 0 AND c.waited = (SELECT count(*) FROM runtime_command_attempts WHERE outcome = 'failed')
    FROM runtime_commands c"""
OVER = "UPDATE runtime_commands SET expires_at = now() - interval '1 s' WHERE type = 'delivery.send'"


@pytest.fixture
async def gateway():
    async with gateways.opened(lambda _: says("Now I can.")) as opened:
        yield opened


async def failed_once(admin):
    """Wait for the first failure; answers what the log says of it."""
    return msgspec.json.decode(await make.until(lambda: admin.fetchval(FAILED)))


# The first try of keeping an answer fails; numbers of a sequence are not taken back.
ONE_FAILURE = """CREATE SEQUENCE keepings; CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF NEW.answer IS NOT NULL AND nextval('public.keepings') = 1 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER keepings BEFORE UPDATE ON delivery_rounds FOR EACH ROW EXECUTE FUNCTION fail_once()"""


async def test_an_answer_is_not_lost_to_a_passing_trouble_of_the_database(board, gateway, worker, admin):
    await admin.execute(ONE_FAILURE)
    task = await board.task()
    await heals(board, admin, task, sends=gateway.asked)
    assert len(gateway.asked) == 1
    assert await admin.fetchval("SELECT last_value FROM keepings") == 2
    assert await admin.fetchval("SELECT count(*) FROM usage_records") == 1


async def heals(board, admin, task, *, sends):
    """It is delivered once, however often it was sent, and each send was the same."""
    await settled(admin)
    assert [message["content"] for message in await thread(board, task["id"])] == ["Now I can."]
    told = await admin.fetchrow("SELECT * FROM notifications WHERE recipient_kind = 'agent'")
    assert told["state"] == "delivered"
    assert len({(asked.key, asked.body) for asked in sends}) == 1
    assert await admin.fetchval("SELECT attempt FROM runtime_commands WHERE state = 'succeeded'") == told["attempts"]
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0


async def test_a_gateway_that_is_away_is_waited_for_without_using_up_attempts(board, gateway, worker, admin):
    await gateway.shut()
    task = await board.task()
    failure = await failed_once(admin)
    assert (failure["state"], failure["error_class"]) == ("retry_scheduled", "dependency_unavailable")
    assert failure["retry_in"] <= 5

    async def waited_long():
        await hurry(admin)
        return await admin.fetchval("SELECT waited FROM runtime_commands") > 5

    await make.until(waited_long)
    await gateway.open()
    await heals(board, admin, task, sends=gateway.asked)
    assert len(gateway.asked) == 1
    assert await admin.fetchval("SELECT attempt - waited FROM runtime_commands") == 1


async def test_a_gateway_that_does_not_answer_in_time_is_asked_again(board, gateway, admin):
    gateway.script = [hangs()]
    async with gateways.working(board.settings, gateway_timeout_seconds=1):
        task = await board.task()
        assert (await failed_once(admin))["error_class"] == "attempt_timeout"
        assert await admin.fetchval(UNCOUNTED)
        await heals(board, admin, task, sends=gateway.asked)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_gateway_in_trouble_is_asked_again(board, gateway, worker, admin, status):
    gateway.script = [refuses(status)]
    task = await board.task()
    assert (await failed_once(admin))["message"] == f"unavailable: the gateway answered {status}: no"
    assert await admin.fetchval(UNCOUNTED)
    await heals(board, admin, task, sends=gateway.asked)


async def test_a_malformed_answer_uses_up_an_attempt(board, gateway, worker, admin):
    gateway.script = [MALFORMED]
    task = await board.task()
    assert (await failed_once(admin))["error_class"] == "transient"
    assert await admin.fetchval("SELECT waited FROM runtime_commands") == 0
    await heals(board, admin, task, sends=gateway.asked)


async def test_silence_in_the_last_attempt_is_no_response_and_no_dead_letter(board, gateway, worker, admin):
    gateway.script = [MALFORMED, NOTHING, NOTHING]
    await board.task(assignee_slugs=["engineer"])
    for _ in range(2):
        await make.until(finds(admin, "state = 'retry_scheduled'", table="runtime_commands"))
        await hurry(admin)
    await make.until(finds(admin, "type = 'assignment' AND state = 'no_response' AND attempts = 3"))
    assert len(gateway.asked) == 3
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0


async def test_three_malformed_answers_are_the_end(board, gateway, worker, admin):
    gateway.answering = lambda _: MALFORMED
    await board.task()
    await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications")
    assert (told["state"], told["reason"], told["attempts"]) == ("dead", "transient", 3)
    assert len(gateway.asked) == 3


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "unauthenticated"), (403, "unauthenticated"), (404, "validation_failed"), (307, "validation_failed")],
)
async def test_a_gateway_that_refuses_is_not_asked_again_and_the_lane_goes_on(board, gateway, worker, admin, status, reason):
    gateway.script = [refuses(status, Location="http://127.0.0.1:9/")]
    task = await board.task()
    await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications")
    assert (told["state"], told["reason"], told["attempts"]) == ("dead", reason, 1)
    assert told["ended_at"] is not None
    letter = await admin.fetchrow(
        "SELECT d.*, c.state AS command_state FROM runtime_dead_letters d JOIN runtime_commands c ON c.id = command_id"
    )
    assert (letter["reason_class"], letter["state"], letter["command_state"]) == (reason, "open", "dead_lettered")
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'notify:notification:ended'") == 1
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "And now?"})
    await settled(admin)
    assert [message["content"] for message in await thread(board, task["id"])] == ["And now?", "Now I can."]
    assert [asked.lane[0] for asked in gateway.asked] == [1, 2]


async def test_a_gateway_that_is_too_busy_is_asked_again_when_it_said(board, gateway, worker, admin):
    gateway.script = [refuses(429, **{"Retry-After": "7"})]
    task = await board.task()
    failure = await failed_once(admin)
    assert (failure["error_class"], failure["retry_in"]) == ("rate_limited", 7)
    assert await admin.fetchval(UNCOUNTED)
    await heals(board, admin, task, sends=gateway.asked)
    assert len(gateway.asked) == 2


async def test_what_waited_too_long_is_expired_and_not_sent_any_more(board, gateway, worker, admin):
    gateway.script = [refuses(429, **{"Retry-After": "60"})]
    task = await board.task()
    await failed_once(admin)
    await admin.execute(OVER)
    await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications")
    assert told["state"] == "expired"
    assert await admin.fetchval("SELECT state FROM runtime_commands WHERE type = 'delivery.send'") == "dead_lettered"
    assert len(gateway.asked) == 1
    assert await thread(board, task["id"]) == []


async def test_a_session_that_fails_holds_up_no_other(board, gateway, worker, admin):
    stuck, fine = await board.task(title="Stuck"), await board.task(title="Fine")
    gateway.answering = lambda asked: hangs() if "Stuck" in asked.decoded["input"] else says("Now I can.")
    await settled_for(admin, fine)
    for place in range(3):
        for task in (stuck, fine):
            await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": f"@orchestrator number {place}."})
    await settled_for(admin, fine)
    states = "SELECT state, count(*) FROM notifications WHERE task_id = $1 AND recipient_kind = 'agent' GROUP BY state"
    assert [tuple(row) for row in await admin.fetch(states, fine["id"])] == [("delivered", 4)]
    assert [tuple(row) for row in await admin.fetch(states, stuck["id"])] == [("queued", 4)]
    assert gateway.overlapping == []


async def settled_for(admin, task):
    queued = finds(admin, "task_id = $1 AND recipient_kind = 'agent' AND state = 'queued'", task["id"])

    async def none_is_queued():
        return not await queued()

    await make.until(none_is_queued)
