"""A delivery that was given up and is replayed delivers, and ends, once more."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from app.kernel import db
from tests import gateways, make
from tests.gateways import JSON, MALFORMED, NO_REPLY, NOTHING, calls, finds, refuses, says, settled, thread

LETTERS = "/api/v1/admin/runtime/dead-letters"
TOLD = "SELECT * FROM notifications WHERE recipient_kind = 'agent'"
SENT = "SELECT * FROM runtime_commands WHERE type = 'delivery.send'"
LIFE = "SELECT type, sequence FROM events WHERE entity_id = $1 ORDER BY seq"
OVER = """UPDATE runtime_commands SET created_at = created_at - interval '25 h', expires_at = expires_at - interval '25 h'
    WHERE type = 'delivery.send'"""
GIVE_UP_AGAIN = "UPDATE runtime_commands SET state = 'queued', finished_at = NULL WHERE type = 'delivery.give_up'"
NOT_ENDED_YET = "UPDATE notifications SET state = 'queued', ended_at = NULL, reason = 'status_changed'"
HAS_GIVEN_UP = "type = 'delivery.give_up' AND state = 'succeeded'"
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
async def gateway():
    async with gateways.opened(lambda _: says("Now I can.")) as opened:
        yield opened


async def replay(board):
    letters = (await board.person.get(LETTERS, params={"command_type": "delivery.send"})).json()["items"]
    return await board.person.post(f"{LETTERS}/{letters[0]['id']}/replay", headers={"Idempotency-Key": uuid4().hex})


async def died(board, gateway, admin, *, replies, state="dead"):
    """The task of a notification that was given up."""
    gateway.script = list(replies)
    async with gateways.working(board.settings):
        task = await board.task()
        if state == "expired":
            await make.until(finds(admin, "type = 'delivery.send' AND state = 'retry_scheduled'", table="runtime_commands"))
            await admin.execute(OVER)
        await settled(admin)
    assert (await admin.fetchrow(TOLD))["state"] == state
    return task


async def delivered(board, admin, task):
    await settled(admin)
    told, sent = await admin.fetchrow(TOLD), await admin.fetchrow(SENT)
    assert (told["state"], told["attempts"], told["ended_at"] is None) == ("delivered", sent["attempt"], False)
    assert [message["content"] for message in await thread(board, task["id"])] == ["Now I can."]
    assert sent["state"] == "succeeded"
    return told


async def test_a_dead_delivery_is_sent_again_under_a_key_of_the_same_family(board, gateway, admin):
    task = await died(board, gateway, admin, replies=[refuses(404)])
    assert (await replay(board)).status_code == 200
    told = await admin.fetchrow(TOLD)
    assert (told["state"], told["ended_at"]) == ("queued", None)
    async with gateways.working(board.settings):
        told = await delivered(board, admin, task)
    assert told["reason"] == "status_changed"
    first, second = gateway.asked
    assert (first.key, second.key) == (str(told["id"]), f"{told['id']}:r1")
    assert (first.body, first.session) == (second.body, second.session)
    assert first.lane < second.lane
    life = [(row["type"].rpartition(":")[2], row["sequence"]) for row in await admin.fetch(LIFE, told["id"])]
    assert life == [("created", 1), ("ended", 2), ("reopened", 3), ("ended", 4)]


async def test_an_expired_delivery_has_its_time_again(board, gateway, admin):
    busy = refuses(429, **{"Retry-After": "60"})
    task = await died(board, gateway, admin, replies=[busy], state="expired")
    assert (await replay(board)).status_code == 200
    assert await admin.fetchval("SELECT expires_at > now() + interval '1 h' FROM runtime_commands WHERE type = 'delivery.send'")
    async with gateways.working(board.settings):
        await delivered(board, admin, task)
    assert [asked.key.partition(":")[2] for asked in gateway.asked] == ["", f"r{(await admin.fetchrow(SENT))['spent']}"]


async def test_a_replay_that_fails_again_is_the_end_again(board, gateway, admin):
    await died(board, gateway, admin, replies=[MALFORMED] * 3)
    gateway.answering = lambda _: MALFORMED
    for attempts in (6, 9):
        assert (await replay(board)).status_code == 200
        async with gateways.working(board.settings):
            await settled(admin)
        told = await admin.fetchrow(TOLD)
        assert (told["state"], told["reason"], told["attempts"]) == ("dead", "transient", attempts)
    assert [asked.key.partition(":")[2] for asked in gateway.asked] == ["", "", "", "r3", "r3", "r3", "r6", "r6", "r6"]
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'notify:notification:ended'") == 3


async def test_silence_before_it_died_does_not_count_afterwards(board, gateway, admin):
    gateway.script = [NOTHING, MALFORMED, MALFORMED]
    async with gateways.working(board.settings):
        await board.task(assignee_slugs=["engineer"])
        await settled(admin)
    assert (await admin.fetchrow(TOLD))["state"] == "dead"
    gateway.script = [NOTHING, NOTHING, NO_REPLY]
    assert (await replay(board)).status_code == 200
    async with gateways.working(board.settings):
        await settled(admin)
    assert (await admin.fetchrow(TOLD))["state"] == "delivered"
    assert [asked.key.partition(":")[2] for asked in gateway.asked] == ["", "1", "1", "r3:1", "r3:2", "r3:3"]


async def test_what_was_heard_before_it_died_is_settled_without_asking_again(board, gateway, admin):
    task = await died(board, gateway, admin, replies=[refuses(404)])
    heard = says("Now I can.").body
    await admin.execute(
        "UPDATE delivery_rounds SET answer = $1, answer_status = 200, answer_type = $2, answered_at = now()", heard, JSON
    )
    assert (await replay(board)).status_code == 200
    async with gateways.working(board.settings):
        await delivered(board, admin, task)
    assert len(gateway.asked) == 1


async def test_a_run_that_died_in_the_middle_goes_on_there_and_calls_nothing_twice(board, gateway, admin):
    gateway.script = [NOTHING]
    task = await board.task(assignee_slugs=["engineer"])
    asks = calls(("response_request", {"task_id": task["id"], "recipient_slugs": ["reviewer"], "message": "Can you help?"}))
    gateway.script = [asks, refuses(404)]
    async with gateways.working(board.settings):
        await make.until(finds(admin, "state = 'dead'"))
        assert (await replay(board)).status_code == 200
        await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications WHERE type = 'assignment'")
    keys = [asked.key.partition(":")[2] for asked in gateway.of("engineer") if asked.key.startswith(str(told["id"]))]
    assert (told["state"], keys) == ("delivered", ["", "t1", "r1:t1"])
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE type = 'response_request'") == 1
    assert await admin.fetchval("SELECT count(*) FROM delivery_calls") == 1


@pytest.mark.parametrize("late", [False, True], ids=["done again", "not done before"])
async def test_the_end_of_its_first_life_does_not_end_the_second(board, gateway, admin, late):
    task = await died(board, gateway, admin, replies=[refuses(404)])
    if late:
        await admin.execute(NOT_ENDED_YET)
    await admin.execute(GIVE_UP_AGAIN)
    assert (await replay(board)).status_code == 200
    answer = asyncio.Event()
    gateway.script = [says("Now I can.", once=answer)]
    async with gateways.working(board.settings):
        await make.until(finds(admin, HAS_GIVEN_UP, table="runtime_commands"))
        await make.until(lambda: asyncio.sleep(0, len(gateway.asked) == 2))
        assert (await admin.fetchrow(TOLD))["state"] == "queued"
        answer.set()
        await delivered(board, admin, task)


async def test_a_replay_waits_for_the_end_that_is_being_written(board, gateway, admin, urls):
    task = await died(board, gateway, admin, replies=[refuses(404)])
    await admin.execute(NOT_ENDED_YET)
    await admin.execute(GIVE_UP_AGAIN)
    holder = await asyncpg.connect(db.plain(urls[0]))

    async def blocked(many):
        return await admin.fetchval(BLOCKED) >= many

    async with gateways.working(board.settings):
        async with holder.transaction():
            await holder.execute("SELECT * FROM notifications FOR UPDATE")
            await make.until(lambda: blocked(1))
            replaying = asyncio.create_task(replay(board))
            await make.until(lambda: blocked(2))
        assert (await replaying).status_code == 200
        await delivered(board, admin, task)
    await holder.close()


async def test_a_bulk_replay_reopens_every_notification(board, gateway, admin):
    gateway.answering = lambda _: refuses(404)
    async with gateways.working(board.settings):
        tasks = [await board.task(title=f"Task {number}") for number in range(5)]
        await settled(admin)
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE state = 'dead'") == 5
    wanted = {"command_type": "delivery.send"}
    answer = await board.person.post(f"{LETTERS}/replay", json=wanted, headers={"Idempotency-Key": "k"})
    assert answer.json() == {"replayed": 5, "remaining": 0}
    gateway.answering = lambda _: says("Now I can.")
    async with gateways.working(board.settings):
        await settled(admin)
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND state = 'delivered'") == 5
    for task in tasks:
        assert [message["content"] for message in await thread(board, task["id"])] == ["Now I can."]


async def test_a_delivery_that_an_operator_cancels_ends_its_notification(board, gateway, admin):
    await board.task()
    sent = await admin.fetchrow(SENT)
    answer = await board.person.post(f"/api/v1/admin/runtime/commands/{sent['id']}/cancel", json={"reason": "the agent is gone"})
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    async with gateways.working(board.settings):
        await make.until(finds(admin, HAS_GIVEN_UP, table="runtime_commands"))
    told = await admin.fetchrow(TOLD)
    assert (told["state"], told["reason"], told["ended_at"] is None) == ("dead", "canceled", False)
    assert await admin.fetchval("SELECT state = 'idle' FROM runtime_lanes")
    assert gateway.asked == []
