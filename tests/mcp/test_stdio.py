"""The bridge for clients that speak over standard input and output."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from app.kernel.settings import ROOT
from tests import make
from tests.mcp.clients import LEGACY, MODERN, called
from tests.mcp.served import Served, free_port, serving

ENDED_SECONDS = 20


@pytest.fixture(scope="module")
async def served(cluster, template) -> AsyncIterator[Served]:
    async with serving(cluster, template) as running:
        yield running


def program(url: str, token: str | None, *arguments: str) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-P", "-m", "app", "mcp", "--url", url, *arguments]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)} | ({"CALLBOARD_TOKEN": token} if token else {})
    return command, environment


def parameters(served: Served, who: str, *arguments: str) -> StdioServerParameters:
    (command, *rest), environment = program(served.url, served.tokens[who], *arguments)
    return StdioServerParameters(command=command, args=rest, env=environment)


@asynccontextmanager
async def bridge(url: str, token: str | None, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    command, environment = program(url, token, *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd="/", stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def refused(url: str, token: str | None, *arguments: str) -> str:
    """The one line that it leaves with."""
    async with bridge(url, token, *arguments) as process:
        out, told = await asyncio.wait_for(process.communicate(), ENDED_SECONDS)
    assert (process.returncode, out) == (1, b"")
    (line,) = told.decode().splitlines()
    assert token is None or token not in line
    return line


@pytest.mark.parametrize("mode", [MODERN, LEGACY, "auto"])
async def test_a_client_calls_the_board_through_it(served, mode):
    task = await served.task(assignee_slugs=["engineer"])
    async with Client(parameters(served, "engineer"), mode=mode) as client:
        assert (client.protocol_version == MODERN) == (mode != LEGACY)
        listed = [tool.name for tool in (await client.list_tools()).tools]
        assert {"next", "task_claim", "task_status"} <= set(listed)
        said, answer = await called(client, "task_message", task_id=task["id"], content="Über die Brücke \n ✓")
        assert (said, answer["content"]) == (False, "Über die Brücke \n ✓")
        wrong, told = await called(client, "task_load", task_id="x")
        assert (wrong, told["error"]["code"]) == (True, "validation_failed")


async def test_more_tools_are_listed_where_more_are_asked_for(served):
    async with Client(parameters(served, "engineer", "--toolset", "documents")) as client:
        assert "document" in {tool.name for tool in (await client.list_tools()).tools}


def line(identity: Any, method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}).encode() + b"\n"


async def test_requests_run_side_by_side_and_a_cancelled_one_is_not_answered(served):
    wait = {"name": "next", "arguments": {"wait": 20}}
    async with bridge(served.url, served.tokens["engineer-2"]) as process:
        assert process.stdin
        assert process.stdout
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        process.stdin.write(line(1, "tools/call", **wait) + line(2, "ping"))
        process.stdin.write(json.dumps(cancel).encode() + b"\n" + line("2", "ping"))
        answers = [json.loads(await asyncio.wait_for(process.stdout.readline(), ENDED_SECONDS)) for _ in range(2)]
        assert {repr(answer["id"]) for answer in answers} == {"2", "'2'"}
        # Both calls would be answered now.
        await served.task(assignee_slugs=["engineer-2"])
        process.stdin.write(line(3, "tools/call", **wait))
        assert json.loads(await asyncio.wait_for(process.stdout.readline(), ENDED_SECONDS))["id"] == 3
        process.stdin.close()
        assert await process.stdout.read() == b""
        assert await asyncio.wait_for(process.wait(), ENDED_SECONDS) == 0


async def test_it_ends_when_its_input_closes_even_while_a_call_waits(served):
    async with bridge(served.url, served.tokens["writer"]) as process:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "next", "arguments": {"wait": 55}}}
        out, told = await asyncio.wait_for(process.communicate(json.dumps(call).encode() + b"\n"), ENDED_SECONDS)
    assert (process.returncode, out, told) == (0, b"", b"")


async def test_a_script_may_send_everything_at_once(served):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    lines: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "next", "arguments": {"wait": 0}}},
    ]
    text = b"\n".join(json.dumps({"jsonrpc": "2.0", **line}).encode() for line in lines) + b"\nno json\n\n"
    async with bridge(served.url, served.tokens["writer"]) as process:
        out, told = await asyncio.wait_for(process.communicate(text), ENDED_SECONDS)
    answers = {answer.get("id"): answer for answer in map(json.loads, out.splitlines())}
    assert answers[1]["result"]["protocolVersion"] == "2025-06-18"
    assert answers[2]["result"]["structuredContent"] == {"kind": "nothing"}
    assert answers[None]["error"]["code"] == -32700
    assert (process.returncode, told) == (0, b"")


async def test_without_a_token_it_says_so_in_one_line(served):
    assert "CALLBOARD_TOKEN is not set" in await refused(served.url, None)


async def test_a_token_that_the_board_does_not_take_is_said_and_never_shown(served):
    assert "does not know CALLBOARD_TOKEN" in await refused(served.url, "cb_aaaaaaaa_nobodys")
    assert "is no agent's token" in await refused(served.url, served.tokens["owner@example.com"])
    assert "toolset" in await refused(served.url, served.tokens["engineer"], "--toolset", "nonsense")


async def test_a_board_that_is_not_there_is_said_in_one_line():
    assert "no board answers at http://127.0.0.1:" in await refused(f"http://127.0.0.1:{free_port()}", "cb_a_b")
    assert "no board answers at nonsense" in await refused("nonsense", "cb_a_b")


async def test_a_board_that_goes_away_is_an_error_of_the_call(cluster, template):
    async with serving(cluster, template) as own, bridge(own.url, own.tokens["engineer"]) as process:
        assert process.stdin
        assert process.stdout
        ping = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
        process.stdin.write(ping)
        assert json.loads(await process.stdout.readline())["result"] == {}
        await own.stop()
        process.stdin.write(ping)
        answer = json.loads(await asyncio.wait_for(process.stdout.readline(), make.PATIENCE_SECONDS))
        assert "does not answer" in answer["error"]["message"]
