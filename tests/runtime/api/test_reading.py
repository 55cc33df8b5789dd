"""Reading commands: pages that never repeat, one command with all that came of it, queues and workers."""

import asyncio
import json
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from app.runtime.handlers import Attempt
from app.runtime.queries import reading as queries
from app.runtime.service import enqueue
from app.runtime.taxonomy import REGISTRY
from app.runtime.types import CommandState
from app.runtime.worker import Worker
from tests import make
from tests.kernel.test_sql import nodes
from tests.runtime.api import desk
from tests.runtime.api.desk import COMMANDS

FILL = """
INSERT INTO runtime_commands (account_id, id, type, profile, queue, state, prio, run_at, idempotency_key, payload, actor_kind,
    trigger_source, request_id, correlation_id, created_at, updated_at, schedule_id, depth, attempt, lost, released, waited)
SELECT $1, gen_random_uuid(), 'test.' || (ARRAY['a', 'b', 'c'])[1 + n % 3],
    CASE n % 7 WHEN 0 THEN 'best_effort' ELSE 'standard_async' END, (ARRAY['inbound', 'outbound'])[1 + n % 2],
    (ARRAY['queued', 'succeeded', 'succeeded', 'succeeded', 'failed_terminal'])[1 + n % 5], 2, callboard_now() + interval '1 d',
    gen_random_uuid()::text, '{}', 'system', 'test', 'r', 'c', $3::timestamptz - make_interval(secs => n / 5), callboard_now(),
    CASE WHEN n % 10 = 0 THEN $4::uuid END, 0, 0, 0, 0, 0
FROM generate_series(1, $2::int) n
"""
NOON = datetime.fromisoformat("2026-01-05T12:00:00Z")


async def filled(board, admin, many: int, *, before: datetime = NOON, schedule: UUID | None = None) -> None:
    await admin.execute(FILL, board.account_id, many, before, schedule)


async def pages(board, *, between=None, **query):
    """All pages, with what `between` does after each."""
    found, cursor = [], None
    for _ in range(100):
        page = await desk.read(board, "commands", **query | ({"cursor": cursor} if cursor else {}))
        found.append(page["items"])
        if (cursor := page["next_cursor"]) is None:
            return found
        if between is not None:
            await between()
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("sort", ["desc", "asc"])
async def test_pages_never_repeat_while_commands_are_added(board, admin, sort):
    await filled(board, admin, 250)
    known = {str(row["id"]) for row in await admin.fetch("SELECT id FROM runtime_commands")}

    async def more():
        for before in (NOON + timedelta(days=1), NOON - timedelta(days=1), NOON - timedelta(seconds=20)):
            await filled(board, admin, 1, before=before)

    found = await pages(board, between=more, limit=100, sort=sort)
    ids = [one["id"] for page in found for one in page]
    assert len(ids) == len(set(ids))
    assert known <= set(ids)
    created = [one["created_at"] for page in found for one in page]
    assert created == sorted(created, reverse=sort == "desc")


async def test_two_hundred_and_fifty_are_a_hundred_a_hundred_and_fifty(board, admin):
    await filled(board, admin, 250)
    assert [len(page) for page in await pages(board, limit=100)] == [100, 100, 50]
    assert len((await desk.read(board, "commands"))["items"]) == 50
    assert (await desk.read(board, "commands", limit=9999))["limit"] == 200


def both(query):
    return query, lambda one: all(one[name] == value for name, value in query.items())


async def test_each_filter_keeps_what_fits_and_loses_none(board, admin):
    schedule = uuid4()
    await filled(board, admin, 60, schedule=schedule)
    every = [one for page in await pages(board, limit=200) for one in page]
    assert len(every) == 60
    moment = every[30]["created_at"]
    filters = [
        ({"status": "succeeded"}, lambda one: one["status"] == "succeeded"),
        ({"command_type": "test.a"}, lambda one: one["command_type"] == "test.a"),
        ({"queue": "outbound"}, lambda one: one["queue"] == "outbound"),
        ({"policy_profile": "best_effort"}, lambda one: one["policy_profile"] == "best_effort"),
        ({"schedule_id": str(schedule)}, lambda one: one["schedule_id"] == str(schedule)),
        ({"created_after": moment}, lambda one: one["created_at"] >= moment),
        ({"created_before": moment}, lambda one: one["created_at"] < moment),
        both({"status": "failed_terminal", "command_type": "test.b"}),
        both({"status": "succeeded", "command_type": "test.b"}),
        both({"schedule_id": str(schedule), "command_type": "test.b"}),
    ]
    for query, fits in filters:
        expected = [one for one in every if fits(one)]
        assert 0 < len(expected) < 60, query
        assert [one for page in await pages(board, limit=7, **query) for one in page] == expected, query
        backwards = [one for page in await pages(board, limit=7, sort="asc", **query) for one in page]
        assert backwards == expected[::-1], query


SENSELESS = [
    {"status": "done"},
    {"queue": "fast"},
    {"schedule_id": "x"},
    {"created_after": "yesterday"},
    {"created_after": "2026-01-05T12:00:00"},
    {"created_after": "9999-12-31T23:59:59-12:00"},
    {"created_before": "0001-01-01T00:00:00+12:00"},
    {"sort": "up"},
    {"cursor": "x"},
    {"limit": "many"},
]


async def test_a_filter_that_makes_no_sense_is_refused_with_its_name(board):
    for query in SENSELESS:
        answer = await board.person.get(COMMANDS, params=query)
        assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, next(iter(query)))


async def read_by(planner, sql, *values) -> tuple[int, set[str]]:
    """How many rows of commands a statement read, and through which indexes."""
    plan = json.loads(await planner.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values))[0]["Plan"]
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "runtime_commands"]
    assert not [node for node in scans if node["Node Type"] == "Seq Scan"]
    read = sum(node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0) for node in scans)
    return read, {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


async def test_a_page_among_many_commands_reads_little_more_than_itself(board, admin):
    schedule = uuid4()
    await filled(board, admin, 20_000, schedule=schedule)
    await admin.execute("VACUUM ANALYZE runtime_commands")
    ways = {"BY_STATE": ("state", None, None), "OF_TYPE": ("type", "test.a", None), "OF_SCHEDULE": ("schedule", None, schedule)}
    for way, (index, type_, schedule_id) in ways.items():
        for order in ("NEWEST", "OLDEST"):
            place = (board.account_id, NOON - timedelta(minutes=20), UUID(int=2**127), 51)
            about = (list(CommandState), type_, None, None, schedule_id, None, None)
            read, used = await read_by(admin, getattr(queries, f"{order}_{way}"), *place, *about)
            assert read < 1000, (order, way)
            assert f"runtime_commands_{index}_idx" in used, (order, way)


async def test_attempts_are_paged_in_their_order(board, admin):
    command = await desk.submitted(board)
    add = """INSERT INTO runtime_command_attempts (account_id, command_id, attempt, worker_id, started_at, completed_at, outcome)
        SELECT $1, $2, n, $2, callboard_now(), callboard_now() + interval '1.5 s', 'failed' FROM generate_series(1, 5) n"""
    await admin.execute(add, board.account_id, UUID(command["id"]))
    first = await desk.read(board, f"commands/{command['id']}/attempts", limit=3)
    rest = await desk.read(board, f"commands/{command['id']}/attempts", limit=3, cursor=first["next_cursor"])
    items = first["items"] + rest["items"]
    assert [one["attempt_number"] for one in items] == [1, 2, 3, 4, 5]
    assert ({one["duration_ms"] for one in items}, rest["next_cursor"]) == ({1500}, None)
    assert len({one["id"] for one in items}) == 5


RAN = """SELECT a.command_id, a.attempt FROM runtime_command_attempts a JOIN runtime_commands c ON c.id = a.command_id
WHERE c.type = $1"""


async def having(attempt: Attempt) -> None:
    """Each of the first two levels starts two more."""
    level = json.loads(attempt.claim.payload)["level"]
    async with attempt.transaction() as tx:
        for _ in range(2 if level < 2 else 0):
            enqueue(tx, make.order(type="test.family", payload={"level": level + 1}), actor=None)
        attempt.finish(tx)


async def test_a_trace_holds_every_attempt_and_its_costs_add_up(board, admin):
    [root] = await make.enqueued(board.database, board.account_id, make.order(type="test.family", payload={"level": 0}))
    await make.enqueued(board.database, board.account_id, make.order())
    stop, handlers = asyncio.Event(), {"test.family": having, "test.noop": REGISTRY.find("test.noop").handler}
    worker = Worker(board.database, board.settings.database_url, handlers=handlers, slots=4)
    running = asyncio.create_task(worker.run(stop))

    async def all_done():
        return await admin.fetchval("SELECT count(*) = 8 AND bool_and(state = 'succeeded') FROM runtime_commands")

    await make.until(all_done)
    stop.set()
    await running
    await admin.execute(
        "UPDATE runtime_command_attempts SET cost_usd = 0.000001, token_usage = '{\"input\": 3}', executor = 'test'"
    )
    trace = await desk.read(board, f"commands/{root}/trace")
    assert [child["level"] for child in trace["children"]] == [1, 1, 2, 2, 2, 2]
    parents = [str(root), *(child["command"]["id"] for child in trace["children"])]
    assert {child["parent_id"] for child in trace["children"]} == set(parents[:3])
    tried = trace["attempts"] + [attempt for child in trace["children"] for attempt in child["attempts"]]
    ran = await admin.fetch(RAN, "test.family")
    assert sorted(one["id"] for one in tried) == sorted(f"{row['command_id']}:{row['attempt']}" for row in ran)
    totals = trace["totals"]
    assert Decimal(totals["cost_usd"]) == sum(Decimal(one["cost_usd"]) for one in tried) == Decimal("0.000007")
    assert (totals["commands"], totals["attempts"], totals["token_usage"]) == (7, 7, {"input": 21})
    assert [event["type"].rpartition(":")[2] for event in trace["events"]] == ["created", "started", "succeeded"]
    assert all(one["seq"] < other["seq"] for one, other in pairwise(trace["events"]))
    assert (trace["is_complete"], trace["dead_letter"], trace["approval"]) == (True, None, None)
    assert trace["command"] == await desk.read(board, f"commands/{root}")


async def test_a_trace_says_when_a_bound_cut_it_off(board, admin):
    command = await desk.submitted(board)
    await filled(board, admin, 250)
    await admin.execute("UPDATE runtime_commands SET cause_id = $1 WHERE id <> $1", UUID(command["id"]))
    trace = await desk.read(board, f"commands/{command['id']}/trace")
    assert (trace["is_complete"], len(trace["children"]), trace["totals"]["commands"]) == (False, 199, 200)


async def test_a_trace_shows_the_dead_letter_and_the_approval(board, admin):
    failing = await desk.submitted(board, payload={"fail_attempts": 1, "error": "forbidden"})
    held = await desk.submitted(board, approval={"summary": "Really?", "quorum": 2})
    async with desk.working(board):

        async def is_buried():
            return await desk.status(board, failing) == "dead_lettered"

        await make.until(is_buried)
    letter = (await desk.read(board, f"commands/{failing['id']}/trace"))["dead_letter"]
    assert (letter["reason_class"], letter["attempts"], letter["status"]) == ("forbidden", 1, "open")
    approval = (await desk.read(board, f"commands/{held['id']}/trace"))["approval"]
    assert (approval["status"], approval["summary"], approval["quorum"], approval["approvals"]) == ("pending", "Really?", 2, 0)


async def test_what_runs_names_its_worker_and_how_long_it_may_be_silent(board, admin):
    command = await desk.submitted(board, payload={"seconds": 30})
    async with desk.working(board, drain_seconds=0.0):

        async def is_running():
            return await desk.status(board, command) == "running"

        await make.until(is_running)
        shown = await desk.read(board, f"commands/{command['id']}")
        [worker] = (await desk.read(board, "workers"))["items"]
        assert shown["lease_owner"] == worker["id"]
        beat = datetime.fromisoformat(worker["beat_at"])
        assert datetime.fromisoformat(shown["lease_until"]) >= beat + timedelta(seconds=15)
        assert (worker["slots"], worker["running"]) == (10, 1)
        [load] = [one for one in (await desk.read(board, "queues"))["queues"] if one["queue"] == "inbound"]
        assert (load["running"], load["due"]) == (1, 0)
    assert (await desk.read(board, f"commands/{command['id']}"))["lease_owner"] is None


async def test_a_worker_shows_nothing_of_another_account(board, admin):
    other = await make.account(admin)
    await make.enqueued(board.database, other, make.order())
    worker = uuid4()
    register = "INSERT INTO runtime_workers (id, lock_key, host, pid, version, slots, started_at, beat_at) VALUES ($1, 1, 'h', 1,"
    await admin.execute(f"{register} '', 5, clock_timestamp(), clock_timestamp())", worker)
    await admin.execute("UPDATE runtime_commands SET state = 'running', worker_id = $1", worker)
    [shown] = (await desk.read(board, "workers"))["items"]
    assert (shown["id"], shown["running"]) == (str(worker), 0)
    await admin.execute("UPDATE runtime_workers SET beat_at = clock_timestamp() - interval '16 s'")
    assert (await desk.read(board, "workers"))["items"] == []


async def test_the_queues_count_what_is_due_waits_runs_and_is_held(board, admin):
    for delay in (0, 0, 3600):
        await desk.submitted(board, delay_seconds=delay)
    await desk.moved(board, await desk.submitted(board), "hold", reason="r")
    await make.enqueued(board.database, board.account_id, make.order(type="test.lane", lane_id=uuid4()))
    await make.enqueued(board.database, await make.account(admin), make.order())
    pause = "INSERT INTO runtime_pauses (account_id, kind, name, reason, paused_by_kind) VALUES ($1, $2, $3, '', 'system')"
    await admin.execute(pause, board.account_id, "type", "runtime.probe")
    await admin.execute("UPDATE runtime_commands SET run_at = run_at - interval '90 s'")
    shown = await desk.read(board, "queues")
    loads = {one["queue"]: one for one in shown["queues"]}
    assert list(loads) == ["control", "inbound", "outbound", "ticks"]
    [probes] = loads["inbound"]["types"]
    assert {name: probes[name] for name in ("due", "waiting", "running", "held")} == {
        "due": 2,
        "waiting": 1,
        "running": 0,
        "held": 1,
    }
    assert (probes["command_type"], probes["is_paused"], loads["inbound"]["is_paused"]) == ("runtime.probe", True, False)
    assert 90 <= loads["inbound"]["oldest_due_seconds"] < 150
    assert (loads["inbound"]["limit"], loads["outbound"]["due"], loads["ticks"]["due"]) == (512, 1, 0)
    assert (loads["ticks"]["oldest_due_seconds"], shown["is_paused"], shown["is_complete"]) == (None, False, True)
    await admin.execute(pause, board.account_id, "all", "")
    assert (await desk.read(board, "queues"))["is_paused"]


async def test_the_taxonomy_lists_what_there_is(board):
    shown = await desk.read(board, "taxonomy")
    types = {one["command_type"]: one for one in shown["command_types"]}
    probe = types["runtime.probe"]
    assert (probe["owner"], probe["queue"], probe["policy_profile"], probe["is_submittable"]) == (
        "runtime",
        "inbound",
        "standard_async",
        True,
    )
    assert probe["payload"]["$defs"]["Probe"]["properties"]["seconds"]["maximum"] == 300
    assert (types["delivery.send"]["is_submittable"], types["delivery.send"]["started_by"]) == (
        False,
        ["a notification of a gateway agent"],
    )
    assert {one["name"] for one in shown["profiles"]} >= {"critical_path", "manual_review", "delivery"}
    moves = {one["state"]: one["moves"] for one in shown["states"]}
    assert (moves["held"], moves["succeeded"]) == (["canceled", "queued"], [])
    assert "worker_lost" in shown["error_classes"]
