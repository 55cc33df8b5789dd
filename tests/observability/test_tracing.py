"""Spans of requests and attempts reach the collector in the trace of the call that caused them."""

import asyncio
import os
import sys
from uuid import uuid4

from app.kernel.settings import ROOT
from app.observability import tracing
from tests.observability.collector import collecting

TRACE = "0af7651916cd43dd8448eb211c80319c"
# A provider is set once in a process, so each case has a process of its own.
SCRIPT = """
import asyncio, sys
sys.path.insert(0, {root!r})
from app.observability import tracing
from tests import boards

async def main(service, collector):
    async with boards.opened(service, CALLBOARD_OTLP_ENDPOINT=collector) as board:
        headers = {{"traceparent": "00-{trace}-b7ad6b7169203331-01"}}
        answer = await board.person.get("/api/v1/tasks", headers=headers)
        assert answer.status_code == 200
        with tracing.span("outside", correlation_id="{trace}"):
            assert tracing.traceparent("{trace}").split("-")[1] == "{trace}"

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_request_is_a_span_of_its_callers_trace(urls):
    async with collecting() as collector:
        script = SCRIPT.format(root=str(ROOT), trace=TRACE)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, urls[1], collector.url, env={**os.environ, "NO_PROXY": "*"}
        )
        assert await asyncio.wait_for(process.wait(), 60) == 0
    found = {span.name: span for span in collector.spans}
    assert {"GET /api/v1/tasks", "outside"} <= set(found)
    request = found["GET /api/v1/tasks"]
    assert request.trace_id.hex() == TRACE
    assert {one.key: one.value.int_value for one in request.attributes}["http.response.status_code"] == 200


def test_without_a_collector_no_span_is_made_and_calls_outside_keep_the_trace():
    with tracing.span("anything", correlation_id=TRACE) as current:
        assert not current.get_span_context().is_valid
    header = tracing.traceparent(TRACE)
    assert header is not None
    assert header.split("-")[1] == TRACE
    assert tracing.traceparent(str(uuid4())) is None
    assert tracing.traceparent("0" * 32) is None
