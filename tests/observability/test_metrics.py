"""Counts of all processes, in one answer."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from app import main
from app.observability.metrics import Family, families, merged, rendered
from app.observability.publishing import THE_GONE, Publisher
from tests import make

counts = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)


def counted(value: float, kind: str = "counter") -> list[Family]:
    return [Family("work", kind, "Work.", [("work_total", {"type": "x"}, value)])]


@given(counts)
def test_counters_of_processes_add_up(values):
    [family] = merged(counted(value) for value in values)
    assert family.samples == [("work_total", {"type": "x"}, sum(values))]


@given(counts)
def test_a_gauge_ends_with_its_process_and_a_counter_does_not(values):
    assert merged([counted(value, "gauge") for value in values], lasting_only=True) == []
    assert merged([counted(value) for value in values], lasting_only=True)[0].samples[0][2] == sum(values)


def test_what_is_rendered_prometheus_reads():
    registry = CollectorRegistry()
    Counter("callboard_tries", "Tries.", ["type"], registry=registry).labels('a "quoted" type').inc(3)
    [family] = text_string_to_metric_families(rendered(families(registry)).decode())
    assert [(one.name, one.labels, one.value) for one in family.samples] == [
        ("callboard_tries_total", {"type": 'a "quoted" type'}, 3.0)
    ]


async def values(board) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = await board.client(None).get("/metrics")
    assert answer.status_code == 200
    found = text_string_to_metric_families(answer.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in found for one in family.samples}


async def test_the_type_of_the_answer_has_each_parameter_once_or_prometheus_refuses_it(board):
    kind = (await board.client(None).get("/metrics")).headers["content-type"]
    assert kind == "text/plain; version=0.0.4; charset=utf-8"


async def test_requests_are_counted_by_the_template_of_their_route(board):
    def of(found, status):
        key = (("method", "GET"), ("route", "/api/v1/tasks/{task_id}"), ("status", status))
        return found.get(("callboard_http_requests_total", key), 0)

    before = await values(board)
    task = await board.task()
    await board.person.get(f"/api/v1/tasks/{task['id']}")
    await board.person.get(f"/api/v1/tasks/{uuid4()}")
    after = await values(board)
    assert (of(after, "200") - of(before, "200"), of(after, "404") - of(before, "404")) == (1, 1)
    assert not any(task["id"] in str(key) for key in after)


async def test_a_denial_is_counted_with_its_reason(board):
    key = ("callboard_denied_total", (("action", "task.survey"), ("reason", "orchestrator_required")))
    before = (await values(board)).get(key, 0)
    assert (await board.as_("engineer").post("/agent/task-list", json={})).status_code == 403
    assert (await values(board))[key] == before + 1


async def test_the_queue_shows_in_the_numbers(board):
    labels = (("profile", "standard_async"), ("queue", "control"), ("state", "queued"), ("type", "test.noop"))
    await make.enqueued(board.database, board.account_id, make.order(), make.order())
    found = await values(board)
    assert found["callboard_commands", labels] == 2
    assert found["callboard_commands_due", labels] == 2


@pytest.fixture
async def pool(database):
    return database.runtime


async def test_no_counter_goes_back_when_a_process_dies_or_ends(pool, admin):
    ours, dead = Publisher(pool, kind="api"), Publisher(pool, kind="worker")
    await dead.publish(always=True)
    await ours.publish(always=True)
    before = {(f.name, str(s[:2])): s[2] for f in await ours.all() for s in f.samples if f.kind == "counter"}
    aged = "UPDATE runtime_metrics SET updated_at = clock_timestamp() - interval '61 s' WHERE kind = 'worker'"
    await admin.execute(aged)
    await asyncio.gather(*[ours.gather_the_gone() for _ in range(4)])
    await ours.gather_the_gone()
    after = {(f.name, str(s[:2])): s[2] for f in await ours.all() for s in f.samples if f.kind == "counter"}
    assert {key: value for key, value in before.items() if after.get(key, 0) < value} == {}
    assert {row["process_id"] for row in await admin.fetch("SELECT process_id FROM runtime_metrics")} == {THE_GONE, ours._id}
    await ours.end()
    assert await admin.fetchval("SELECT array_agg(process_id) FROM runtime_metrics") == [THE_GONE]


async def test_what_workers_did_is_in_the_answer_of_an_api_process(board):
    stop = asyncio.Event()
    working = asyncio.create_task(main.run_worker(board.settings, stop))
    try:
        answer = await board.person.post("/api/v1/admin/runtime/commands", json={"command_type": "runtime.probe", "payload": {}})
        assert answer.status_code == 201, answer.text

        async def seen():
            found = await values(board)
            labels = (("error_class", ""), ("outcome", "succeeded"), ("profile", "standard_async"), ("type", "runtime.probe"))
            return found.get(("callboard_attempts_total", labels)) and found

        found = await make.until(seen)
    finally:
        stop.set()
        await working
    kind = (("profile", "standard_async"), ("type", "runtime.probe"))
    assert found["callboard_claims_total", kind] == 1
    assert found["callboard_start_seconds_count", kind] == found["callboard_run_seconds_count", kind] == 1
