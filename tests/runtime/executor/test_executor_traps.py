"""Mistakes that queues on PostgreSQL are known for, each tried."""

import asyncio
import json
import struct
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from app.kernel import db
from app.runtime import closings, ledger, upkeep
from app.runtime.ledger import LARGEST_BATCH
from app.runtime.queries import ledger as queries
from app.runtime.service import enqueue
from app.runtime.worker import Worker
from tests import make
from tests.kernel.statements import statements

MANY, DEFERRED = 9_000, 20_000
BATCHES = """SELECT max(many) FROM (
    SELECT count(*) AS many FROM runtime_command_attempts WHERE completed_at IS NOT NULL GROUP BY xmin::text) b"""


async def test_nine_thousand_ends_are_saved_in_batches_of_at_most_two_hundred(desk, urls):
    await desk.backlog(MANY)
    stop = asyncio.Event()
    ended = asyncio.Event()

    async def noop(_attempt):
        # All of them end in the same moment.
        await ended.wait()

    worker = Worker(desk.database, urls[1], handlers={"test.noop": noop}, slots=MANY)
    working = asyncio.create_task(worker.run(stop))
    running = "SELECT count(*) = $1 FROM runtime_commands WHERE state = $2"
    await make.until(lambda: desk.admin.fetchval(running, MANY, "running"), seconds=60)
    ended.set()
    await make.until(lambda: desk.admin.fetchval(running, MANY, "succeeded"), seconds=60)
    stop.set()
    await working
    assert await desk.admin.fetchval(BATCHES) <= LARGEST_BATCH


async def test_deferred_commands_cost_a_claim_nothing(desk):
    await desk.backlog(DEFERRED, delay=3_600.0)
    await desk.backlog(100)
    await desk.admin.execute("VACUUM ANALYZE runtime_commands")
    explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {queries.CLAIM}"
    async with desk.admin.transaction():
        ids = [uuid4() for _ in range(50)]
        [plan] = json.loads(await desk.admin.fetchval(explained, desk.worker, ids, [2], [50]))
    nodes = [node for node in walked(plan["Plan"]) if node.get("Relation Name") == "runtime_commands"]
    scan = next(node for node in nodes if node.get("Index Name") == "runtime_commands_claim_idx")
    assert scan["Actual Rows"] == 50
    # An index of three levels and a page for each row, not one of the deferred ones.
    assert scan["Shared Hit Blocks"] + scan["Shared Read Blocks"] < 3 * 50


def walked(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from walked(child)


@pytest.mark.parametrize("name", ["runtime.CLAIM_IN_TURN", "runtime.WHERE_IS_WORK"])
async def test_a_backlog_costs_a_look_nothing(desk, name):
    await desk.backlog(DEFERRED)
    await desk.admin.execute("VACUUM ANALYZE runtime_commands")
    for setting in upkeep.PLANNER.split("&"):
        await desk.admin.execute(f"SET {setting}")
    sql = next(each.sql for each in statements() if each.name == name)
    arguments = ([2],) if name.endswith("WORK") else (desk.worker, [uuid4() for _ in range(5)], [2], [5], [ledger.NOBODY])
    async with desk.admin.transaction():
        [plan] = json.loads(await desk.admin.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments))
    nodes = [node for node in walked(plan["Plan"]) if node.get("Relation Name") == "runtime_commands"]
    assert nodes
    assert max(node["Actual Rows"] for node in nodes if node["Node Type"] != "ModifyTable") <= 200


async def test_beats_and_ends_of_the_same_worker_do_not_deadlock(desk, admin):
    """A worker beats on its own row, so nothing that it renews is locked by what it saves."""
    await desk.backlog(2_000)
    pool, beats = desk.pool, 0

    async def beat():
        nonlocal beats
        while True:
            await pool.execute("UPDATE runtime_workers SET beat_at = clock_timestamp() WHERE id = $1", desk.worker)
            beats += 1

    beating = asyncio.create_task(beat())
    while claims := await desk.claim():
        halves = claims[::2], claims[1::2]
        await asyncio.gather(*[desk.succeed(*reversed(half)) for half in halves if half])
    beating.cancel()
    assert beats > 10
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state <> 'succeeded'") == 0
    assert await admin.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def test_no_business_transaction_notifies():
    assert [each.name for each in statements() if "notify" in each.sql.lower() and each.name != "runtime.MOVE"] == []


async def test_an_enqueue_undone_is_no_enqueue_and_wakes_nobody(desk):
    told = []
    desk.database.wakes.on_heard(lambda channel, _: told.append(channel))
    with pytest.raises(ZeroDivisionError):
        await undone(desk)
    await asyncio.sleep(0.05)
    assert "callboard_work" not in told
    assert await desk.claim() == []


async def undone(desk):
    async with desk.database.transaction(desk.account, origin=make.ORIGIN) as tx:
        enqueue(tx, make.order(), actor=None)
        await tx.flush()
        raise ZeroDivisionError


async def test_no_session_of_a_worker_may_hold_an_open_transaction_for_long(urls):
    async with upkeep.worker_pool(urls[1]) as pool:
        assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == db.IDLE_TIMEOUT
        assert await pool.fetchval("SHOW enable_seqscan") == "off"


async def test_a_slot_is_free_only_when_its_end_is_saved(desk, urls):
    """Ends that cannot be saved hold their slots, so that a worker never claims what it has no room for."""
    await desk.backlog(20)
    stop, done = asyncio.Event(), []

    async def noop(attempt):
        done.append(attempt.claim.id)
        # What has something to say is saved by the statement that also buries.
        attempt.spent_on(summary="done")

    worker = Worker(desk.database, urls[1], handlers={"test.noop": noop}, slots=5)
    async with desk.admin.transaction():
        await desk.admin.execute("LOCK TABLE runtime_dead_letters IN EXCLUSIVE MODE")
        working = asyncio.create_task(worker.run(stop))
        await make.until(lambda: asyncio.sleep(0, done))
        await asyncio.sleep(0.3)
        assert len(done) <= 5
    await make.until(lambda: desk.admin.fetchval("SELECT count(*) = 20 FROM runtime_commands WHERE state = 'succeeded'"))
    stop.set()
    await working


async def reached(address):
    """Streams from and to the server at this address, which may be a socket in a directory."""
    parts = urlsplit(address)
    about = {name: values[0] for name, values in parse_qs(parts.query).items()}
    host, port = parts.hostname or about["host"], parts.port or about.get("port", 5432)
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def deaf_proxy(address):
    """A server that passes everything on but what is notified, as a pooler of transactions does."""

    async def toward(reader, writer):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()

    async def back(reader, writer):
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(struct.unpack("!xI", head)[0] - 4)
            if head[:1] != b"A":
                writer.write(head + body)
                await writer.drain()

    async def serve(reader, writer):
        remote = await reached(address)
        ways = [asyncio.create_task(toward(reader, remote[1])), asyncio.create_task(back(remote[0], writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()
        remote[1].close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def test_a_listen_that_hears_nothing_is_found_out_at_the_start(urls, database, monkeypatch):
    monkeypatch.setattr(upkeep, "PROBE_SECONDS", 0.5)
    proxy = await deaf_proxy(urls[1])
    port = proxy.sockets[0].getsockname()[1]
    parts = urlsplit(urls[1])
    through = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}", query="sslmode=disable").geturl()
    try:
        with pytest.raises(upkeep.Deaf, match="direct connection"):
            await asyncio.wait_for(Worker(database, through, handlers={}).run(asyncio.Event()), 10)
    finally:
        proxy.close()


async def test_closing_more_than_a_batch_twice_closes_it_once(desk):
    await desk.backlog(150)
    claims = await desk.claim()
    ends = [closings.succeeded(each, worker_id=desk.worker) for each in claims]
    assert len(await ledger.close(desk.pool, ends)) == len(claims)
    assert await ledger.close(desk.pool, ends) == set()
