"""A stop ends what runs and waits outside: the call is broken off, and nothing of it is posted or comes again."""

import asyncio
import signal

import asyncpg
import pytest

from app.kernel import db
from tests import gateways, make
from tests.gateways import finds, says, thread

ENDED = "SELECT state, reason FROM notifications WHERE recipient_kind = 'agent' ORDER BY id"
COMMANDS = "SELECT state FROM runtime_commands WHERE type = 'delivery.send' ORDER BY id"
ENDS = "SELECT count(*) FROM events WHERE type = 'notify:notification:ended'"
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
DROPPED = ("skipped", "stopped")


@pytest.fixture
async def alone(board):
    """Nobody leads, so that only the assignee is woken."""
    assert (await board.person.patch("/api/v1/account", json={"orchestrator_agent_id": None})).status_code == 200
    return board


@pytest.fixture
async def holder(urls):
    connection = await asyncpg.connect(db.plain(urls[0]))
    yield connection
    await connection.close()


def asked(gateway, times=1):
    async def was_asked():
        return len(gateway.asked) >= times

    return was_asked


async def stop(board, task, **body):
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/stop", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ends(admin):
    return [tuple(row) for row in await admin.fetch(ENDED)]


async def test_a_stop_hangs_up_on_the_gateway_and_the_next_wake_up_is_a_new_one(alone, gateway, worker, admin):
    gateway.script = [gateways.hangs()]
    gateway.answering = lambda _: says("Back at work.")
    task = await alone.task(assignee_slugs=["engineer"])
    await make.until(asked(gateway))
    stopped = await stop(alone, task, reason="wrong branch")
    [command_id] = stopped["canceled_commands"]
    [notification_id] = stopped["dropped_notifications"]
    await make.until(lambda: asyncio.sleep(0, gateway.hung_up))
    await make.until(finds(admin, "id = $1::uuid AND state = 'canceled'", command_id, table="runtime_commands"))
    assert await ends(admin) == [DROPPED]
    await gateways.settled(admin)
    assert (await thread(alone, task["id"]), len(gateway.asked)) == ([], 1)
    assert await admin.fetchval(ENDS) == 1
    again = {"status": "in_progress", "reason": "the right branch now"}
    assert (await alone.person.post(f"/api/v1/tasks/{task['id']}/status", json=again)).status_code == 200
    await gateways.settled(admin)
    assert [one["content"] for one in await thread(alone, task["id"])] == ["Back at work."]
    assert (await ends(admin))[0] == DROPPED
    assert [one.key for one in gateway.asked].count(notification_id) == 1


async def test_what_waits_is_dropped_with_its_command_and_a_repetition_finds_nothing(alone, gateway, admin):
    task = await alone.task(assignee_slugs=["engineer", "writer"])
    said = {"content": "@engineer, look here"}
    assert (await alone.person.post(f"/api/v1/tasks/{task['id']}/messages", json=said)).status_code == 201
    first, second = await stop(alone, task, reason="enough"), await stop(alone, task)
    assert (len(first["dropped_notifications"]), len(first["canceled_commands"])) == (4, 4)
    assert (second["already_blocked"], second["dropped_notifications"], second["canceled_commands"]) == (True, [], [])
    # Who is woken on a task that stays blocked is silenced as well.
    assert (await alone.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "Why?"})).status_code == 201
    third = await stop(alone, task)
    assert (third["already_blocked"], third["blocked_reason"], len(third["dropped_notifications"])) == (True, "enough", 2)
    assert set(await ends(admin)) == {DROPPED}
    assert {row["state"] for row in await admin.fetch(COMMANDS)} == {"canceled"}
    async with gateways.working(alone.settings):
        await gateways.settled(admin)
    assert gateway.asked == []
    assert await admin.fetchval("SELECT max(seq) - count(*) FROM events") == 0


@pytest.mark.parametrize("stop_comes_first", [True, False])
async def test_an_answer_is_posted_before_the_stop_or_not_at_all(alone, gateway, worker, admin, holder, stop_comes_first):
    answer = asyncio.Event()
    gateway.answering = lambda _: says("Done.", once=answer)
    task = await alone.task(assignee_slugs=["engineer"])
    await make.until(asked(gateway))

    def waiting(many):
        async def wait():
            return await admin.fetchval(BLOCKED) >= many

        return wait

    async with holder.transaction():
        await holder.execute("SELECT * FROM tasks FOR UPDATE")
        if stop_comes_first:
            stopping = asyncio.create_task(stop(alone, task))
            await make.until(waiting(1))
            answer.set()
        else:
            answer.set()
            await make.until(waiting(1))
            stopping = asyncio.create_task(stop(alone, task))
        await make.until(waiting(2))
    dropped = (await stopping)["dropped_notifications"]
    await gateways.settled(admin)
    words = [one["content"] for one in await thread(alone, task["id"])]
    if stop_comes_first:
        assert (words, len(dropped), await ends(admin)) == ([], 1, [DROPPED])
    else:
        assert (words, len(dropped)) == (["Done."], 0)
        assert (await ends(admin))[0][0] == "delivered"
    assert await admin.fetchval(ENDS) == 1


async def test_a_worker_that_hears_nothing_of_the_stop_posts_nothing_either(alone, gateway, worker, admin, holder):
    answer = asyncio.Event()
    gateway.answering = lambda _: says("Done.", once=answer)
    task = await alone.task(assignee_slugs=["engineer"])
    await make.until(asked(gateway))
    async with holder.transaction():
        await holder.execute("SELECT * FROM tasks FOR UPDATE")
        answer.set()
        await make.until(finds(admin, "wait_event_type = 'Lock' AND datname = current_database()", table="pg_stat_activity"))
        await holder.execute("UPDATE notifications SET state = 'skipped', reason = 'stopped' WHERE state = 'queued'")
    await gateways.settled(admin)
    assert (await thread(alone, task["id"]), await ends(admin), len(gateway.asked)) == ([], [DROPPED], 1)


async def test_answers_and_stops_at_once_leave_each_task_with_one_of_both(alone, gateway, worker, admin):
    answer = asyncio.Event()
    gateway.answering = lambda _: says("Done.", once=answer)
    slugs = ("engineer", "engineer-2", "writer", "reviewer")
    tasks = [await alone.task(assignee_slugs=[slug]) for slug in slugs]
    await make.until(asked(gateway, len(tasks)))
    answer.set()
    stops = await asyncio.gather(*(stop(alone, task) for task in tasks))
    await gateways.settled(admin)
    for task, stopped in zip(tasks, stops, strict=True):
        words = [one["content"] for one in await thread(alone, task["id"])]
        assert (len(words) == 1) != (len(stopped["dropped_notifications"]) == 1), (words, stopped)
    assert await admin.fetchval(ENDS) == len(tasks)


async def test_who_restarts_after_a_stop_does_not_send_again(alone, gateway, crew, admin):
    gateway.answering = lambda _: gateways.hangs()
    running = await crew.start()
    task = await alone.task(assignee_slugs=["engineer"])
    await make.until(asked(gateway))
    running.send_signal(signal.SIGSTOP)
    await stop(alone, task)
    running.kill()
    await running.wait()
    await crew.start()
    await make.until(finds(admin, "type = 'delivery.send' AND state = 'canceled'", table="runtime_commands"))
    await gateways.settled(admin)
    assert (len(gateway.asked), await ends(admin), await thread(alone, task["id"])) == (1, [DROPPED], [])
