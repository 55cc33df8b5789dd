import asyncio
import signal

import asyncpg
import pytest

from app.kernel import db
from tests import make
from tests.gateways import calls, finds, hangs, says, thread

BLOCKED = "wait_event_type = 'Lock' AND datname = current_database()"
LONG_SILENT = "UPDATE runtime_workers SET beat_at = clock_timestamp() - interval '20 s'"


@pytest.fixture
async def holder(urls):
    """A connection whose locks stand in a worker's way."""
    connection = await asyncpg.connect(db.plain(urls[0]))
    yield connection
    await connection.close()


def was_asked(gateway, times):
    async def asked():
        return len(gateway.asked) >= times

    return asked


async def killed(worker):
    worker.kill()
    await worker.wait()


async def came_to_its_end(board, admin, task, *, words):
    await make.until(finds(admin, "recipient_kind = 'agent' AND state <> 'queued'"))
    await make.until(finds(admin, "state = 'succeeded'", table="runtime_commands"))
    assert [message["content"] for message in await thread(board, task["id"])] == [words]
    assert await admin.fetchval("SELECT state FROM notifications WHERE recipient_kind = 'agent'") == "delivered"
    ends = "SELECT count(*) FROM events WHERE type = $1"
    for once in ("notify:notification:ended", "board:message:created", "runtime:command:succeeded"):
        assert await admin.fetchval(ends, once) == 1
    assert await admin.fetchval("SELECT max(seq) - count(*) FROM events") == 0
    assert await admin.fetchval("SELECT count(*) FROM usage_records") == 1


@pytest.mark.parametrize(
    ("in_the_way", "deaths"),
    # Whoever dies after COMMIT was sent has done its work: the server goes on without it.
    [("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE", 1), ("SELECT * FROM event_counters FOR UPDATE", 0)],
    ids=["before the message", "within the commit"],
)
async def test_a_worker_killed_between_answer_and_message_leaves_exactly_one(
    board, gateway, crew, admin, holder, in_the_way, deaths
):
    answer = asyncio.Event()
    gateway.answering = lambda _: says("Just once.", once=answer)
    worker = await crew.start()
    task = await board.task()
    await make.until(was_asked(gateway, 1))
    async with holder.transaction():
        await holder.execute(in_the_way)
        answer.set()
        await make.until(finds(admin, "answer IS NOT NULL", table="delivery_rounds"))
        await make.until(finds(admin, BLOCKED, table="pg_stat_activity"))
        await killed(worker)
    if deaths:
        assert await admin.fetchval("SELECT count(*) FROM messages") == 0
    await crew.start()
    await came_to_its_end(board, admin, task, words="Just once.")
    assert len(gateway.asked) == 1
    assert await admin.fetchval("SELECT lost FROM runtime_commands") == deaths


async def test_a_worker_killed_before_its_answer_is_kept_asks_again_under_the_same_key(board, gateway, crew, admin, holder):
    answer = asyncio.Event()
    gateway.answering = lambda _: says("Asked twice.", once=answer)
    worker = await crew.start()
    task = await board.task()
    await make.until(was_asked(gateway, 1))
    async with holder.transaction():
        await holder.execute("SELECT * FROM delivery_rounds FOR UPDATE")
        answer.set()
        await make.until(finds(admin, BLOCKED, table="pg_stat_activity"))
        await killed(worker)
    assert await admin.fetchval("SELECT answer FROM delivery_rounds") is None
    await crew.start()
    await came_to_its_end(board, admin, task, words="Asked twice.")
    first, second = gateway.asked
    assert (first.body, first.key, first.lane[0]) == (second.body, second.key, second.lane[0])
    assert first.lane[1] < second.lane[1]


async def test_a_worker_killed_while_the_gateway_thinks_leaves_exactly_one_message(board, gateway, crew, admin):
    gateway.script = [hangs()]
    gateway.answering = lambda _: says("After all.")
    worker = await crew.start()
    task = await board.task()
    await make.until(was_asked(gateway, 1))
    await killed(worker)
    await crew.start()
    await came_to_its_end(board, admin, task, words="After all.")
    assert len({asked.key for asked in gateway.asked}) == 1


async def test_a_prompt_that_four_workers_die_of_ends_as_dead(board, gateway, crew, admin):
    gateway.answering = lambda _: hangs()
    await board.task()
    for deaths in range(1, 5):
        worker = await crew.start()
        await make.until(was_asked(gateway, deaths))
        await killed(worker)
    await crew.start()
    await make.until(finds(admin, "state = 'dead' AND reason = 'worker_lost' AND attempts = 4"))
    assert len(gateway.asked) == 4


# Workspaces are written beside, whenever whoever holds them lets go.
EVENTS = """SELECT count(*) FROM events WHERE type !~ '^(board:workspace|account:token):'
    AND payload ->> 'type' IS DISTINCT FROM 'workspace.sync'"""


@pytest.mark.parametrize("late_words", ["Too late.", ""], ids=["words", "silence"])
async def test_a_worker_that_was_taken_for_dead_writes_nothing(board, gateway, crew, admin, late_words):
    # So that nobody else is woken by what is said here.
    assert (await board.person.patch("/api/v1/account", json={"orchestrator_agent_id": None})).status_code == 200
    late = asyncio.Event()
    gateway.script = [says(late_words, once=late), says("In time.")]
    zombie = await crew.start()
    task = await board.task(assignee_slugs=["engineer"])
    await make.until(was_asked(gateway, 1))
    zombie.send_signal(signal.SIGSTOP)
    await admin.execute(LONG_SILENT)
    await crew.start()
    await came_to_its_end(board, admin, task, words="In time.")
    before = await admin.fetch("SELECT * FROM delivery_rounds"), await admin.fetchval(EVENTS)
    late.set()
    zombie.send_signal(signal.SIGCONT)
    await make.until(lambda: asyncio.sleep(0, "attempt_fenced" in crew.logged))
    assert before == (
        await admin.fetch("SELECT * FROM delivery_rounds"),
        await admin.fetchval(EVENTS),
    )
    assert len(await thread(board, task["id"])) == 1


async def test_workers_killed_among_tool_calls_make_none_of_them_twice(board, gateway, crew, admin, holder):
    task = await board.task()
    steps = (
        ("task_message", {"task_id": task["id"], "content": "First step."}),
        ("document", {"title": "Second step", "content": "Done.", "type": "note"}),
    )
    gateway.script = [calls(*steps), hangs()]
    gateway.answering = lambda _: says("Done.")
    # Before an effect is there with its result, then between two calls.
    for in_the_way, done in (("delivery_calls", 0), ("documents", 1)):
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {in_the_way} IN SHARE MODE")
            worker = await crew.start()
            await make.until(finds(admin, BLOCKED, table="pg_stat_activity"))
            for table in ("messages", "delivery_calls"):
                assert await admin.fetchval(f"SELECT count(*) FROM {table}") == done
            await killed(worker)
    worker = await crew.start()
    await make.until(was_asked(gateway, 2))
    await killed(worker)
    await crew.start()
    await make.until(finds(admin, "recipient_kind = 'agent' AND state = 'delivered'"))
    assert [message["content"] for message in await thread(board, task["id"])] == ["First step.", "Done."]
    assert [asked.key.partition(":")[2] for asked in gateway.asked] == ["", "t1", "t1"]
    assert gateway.asked[1].body == gateway.asked[2].body
    for table, many in (("delivery_calls", 2), ("delivery_rounds", 2), ("usage_records", 2)):
        assert await admin.fetchval(f"SELECT count(*) FROM {table}") == many
    assert await admin.fetchval("SELECT count(*) FROM documents WHERE title = 'Second step' AND version = 1") == 1
    assert await admin.fetchval("SELECT sum(input_tokens) FROM usage_records") == 14
    assert await admin.fetchval("SELECT lost FROM runtime_commands WHERE type = 'delivery.send'") == 3
