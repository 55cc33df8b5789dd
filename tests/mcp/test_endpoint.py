"""The endpoint itself: who is let in, from where, and what it does with odd requests."""

import asyncio
import gc
import json
import resource
from pathlib import Path

import pytest

from tests import boards, make
from tests.mcp.clients import called, connected

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
PONG = {"jsonrpc": "2.0", "id": 1, "result": {}}


async def test_without_a_token_nobody_reaches_the_protocol(board):
    answer = await board.client(None).post("/mcp", json=PING)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["X-Request-ID"] == answer.json()["error"]["request_id"]
    unknown = await board.client("cb_unknown_token").post("/mcp", json=PING)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "unauthenticated")


async def test_people_are_told_that_this_is_for_agents(board):
    answer = await board.person.post("/mcp", json=PING)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "agents_only")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_there_is_no_stream_to_open_and_no_session_to_end(board, method):
    answer = await board.as_("engineer").request(method, "/mcp")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("headers", [{"Accept": "text/html"}, {"Accept": "*/*"}, {"Content-Type": "text/plain"}])
async def test_plain_clients_are_answered_in_json_whatever_they_say_they_take(board, headers):
    answer = await board.as_("engineer").post("/mcp", content=b'{"jsonrpc":"2.0","id":1,"method":"ping"}', headers=headers)
    assert (answer.status_code, answer.json()) == (200, PONG)


@pytest.mark.parametrize(
    "page", ["http://evil.example", "http://evil.example:8000", "null", "http://[", "http://127.0.0.1.evil.example"]
)
async def test_pages_of_other_sites_are_refused_even_with_a_token(board, page):
    headers = {"Origin": page, "Host": page.removeprefix("http://")}
    answer = await board.as_("engineer").post("/mcp", json=PING, headers=headers)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "origin_refused")


@pytest.mark.parametrize("page", ["http://localhost:6274", "http://127.0.0.1:8000", "http://[::1]:9", "https://board.example"])
async def test_pages_of_this_machine_and_of_the_public_address_may_call(urls, page):
    async with boards.opened(urls[1], CALLBOARD_PUBLIC_URL="https://board.example/crew") as board:
        headers = {"Origin": page, "Host": "behind-a-proxy.example"}
        answer = await board.as_("engineer").post("/mcp", json=PING, headers=headers)
        assert answer.status_code == 200


async def test_an_unknown_toolset_is_named(board):
    answer = await board.as_("engineer").post("/mcp?toolset=core,nonsense", json=PING)
    assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, "toolset")
    assert "nonsense" in answer.json()["error"]["message"]


async def test_a_body_that_is_too_large_is_refused_before_it_is_read_as_json(board):
    answer = await board.as_("engineer").post("/mcp", content=b"[" * (board.settings.max_body_bytes + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


NO_MESSAGES = (
    *(b"", b"{", b"[]", b"[{}]", b"1", b"null", b"\xff", b"[" * 5000),
    *(b'{"jsonrpc":"2.0"}', b'{"jsonrpc":"2.0","id":{},"method":"ping"}', b'{"jsonrpc":"2.0","id":1,"method":"no/such"}'),
)


@pytest.mark.parametrize("version", [None, "2026-07-28", "1999-01-01"])
async def test_what_is_no_message_is_answered_as_the_protocol_says(board, version):
    headers = {"MCP-Protocol-Version": version} if version else {}
    for content in NO_MESSAGES:
        answer = await board.as_("engineer").post("/mcp", content=content, headers=headers)
        assert answer.status_code in (200, 202, 400, 404), content
        assert answer.status_code == 202 or answer.json()["error"]["code"] <= -32000
    assert (await board.as_("engineer").post("/mcp", json=PING)).json() == PONG


async def test_next_waits_over_mcp_and_is_woken(board):
    task = await board.task()
    async with connected(board, "engineer") as client:
        call = asyncio.create_task(called(client, "next", wait=20))
        waiting = board._application.app.state.waiting

        async def waits() -> bool:
            return bool(waiting._accounts)

        await make.until(waits)
        await board.person.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": ["engineer"]})
        refused, work = await call
        assert (refused, work["task"]["id"]) == (False, task["id"])
        refused, rest = await called(client, "next", wait=0, ack=[work["ack"]])
        assert (refused, rest["kind"]) == (False, "task")


async def test_waiting_over_mcp_ends_when_the_token_is_revoked(board):
    agent = await board.agent_id("writer")
    tokens = (await board.person.get("/api/v1/tokens")).json()["items"]
    mine = next(one for one in tokens if one["principal_id"] == agent)
    async with connected(board, "writer") as client:
        call = asyncio.create_task(called(client, "next", wait=20))
        waiting = board._application.app.state.waiting

        async def waits() -> bool:
            return bool(waiting._accounts)

        await make.until(waits)
        await board.person.delete(f"/api/v1/tokens/{mine['id']}")
        refused, said = await asyncio.wait_for(call, 10)
    assert (refused, said["error"]["code"]) == (True, "unauthenticated")


CALLS = {
    "/agent/next": {"wait": 50},
    "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "next", "arguments": {"wait": 50}}},
}


@pytest.mark.parametrize("path", CALLS)
async def test_who_goes_away_while_it_waits_takes_no_notification(board, path):
    hangs_up = asyncio.Event()
    messages = [{"type": "http.request", "body": json.dumps(CALLS[path]).encode(), "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(_) -> None: ...

    headers = [(b"authorization", f"Bearer {board.tokens['engineer']}".encode()), (b"host", b"board")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    call = asyncio.create_task(board._application({**scope, "http_version": "1.1", "root_path": ""}, receive, send))
    waiting = board._application.app.state.waiting

    async def waits() -> bool:
        return bool(waiting._accounts)

    await make.until(waits)
    hangs_up.set()
    await asyncio.wait_for(call, make.PATIENCE_SECONDS)
    assert not waiting._accounts
    task = await board.task(assignee_slugs=["engineer"])
    shown = (await board.as_("engineer").post("/agent/next", json={"wait": 0})).json()
    assert (shown["kind"], shown["task"]["id"]) == ("notification", task["id"])


async def test_next_shows_over_mcp_what_it_shows_over_http(board):
    await board.task(title="Loose")
    async with connected(board, "orchestrator") as client:
        taken = (await called(client, "next", wait=0))[1]["ack"]
        await called(client, "next", wait=0, ack=[taken])
        refused, shown = await called(client, "next", wait=0)
    assert (refused, shown) == (False, (await board.as_("orchestrator").post("/agent/next", json={"wait": 0})).json())


def memory() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_a_thousand_calls_a_tenth_of_them_invalid_leave_nothing_behind(board):
    task = await board.task(assignee_slugs=["engineer"])
    good = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "task_load", "arguments": {"task_id": task["id"]}}}
    bad = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "task_load", "arguments": {"task_id": 7}}}
    client = board.as_("engineer")
    seen: list[bool] = []

    async def caller(first: int, last: int) -> None:
        for number in range(first, last):
            answer = await client.post("/mcp", json=(bad if number % 10 == 0 else good) | {"id": number})
            assert answer.json()["id"] == number
            seen.append(bool(answer.json()["result"]["isError"]))

    await caller(0, 100)
    gc.collect()
    before = memory()
    await asyncio.gather(*(caller(first, first + 250) for first in range(0, 1000, 250)))
    gc.collect()
    assert (len(seen), seen.count(True)) == (1100, 110)
    assert memory() - before < 20 * 2**20
    assert (await board.person.get("/health")).status_code == 200
