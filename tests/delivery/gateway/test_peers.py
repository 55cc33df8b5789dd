"""MCP peers that are not what they should be."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest

from app.agents.types import Adapter
from app.delivery.gateway.peers import Peers
from app.delivery.types.runs import FailureClass, GatewayError, Profile
from tests.delivery.gateway.kit import ASK, CALLER, HEADERS, SESSION, TOKEN, patiently
from tests.delivery.worlds import NOW


@asynccontextmanager
async def server(answer):
    """Answers every request in the same way; the first lines of all are handed out, with what they sent as a token."""
    asked = []

    async def serve(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert "idempotency-key" not in head.lower()
            asked.append((head.split("\r\n")[0], TOKEN in head))
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp", asked
    finally:
        listening.close()


async def failure(url):
    peers, profile = Peers(), Profile(name="p", adapter=Adapter.MCP, url=url, settings={"tool": "ask"}, timeout_seconds=5.0)
    request = peers.encode(ASK, profile=profile, caller=CALLER)
    with pytest.raises(GatewayError) as caught:
        await peers.send(request, profile=profile, token=TOKEN, headers=HEADERS, now=NOW)
    assert TOKEN not in caught.value.message
    assert SESSION not in caught.value.message
    return caught.value


async def test_a_redirect_is_not_followed_even_to_the_same_origin():
    head = b"HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with server(head) as (url, asked):
        error = await failure(url)
    assert (error.failure, error.may_have_arrived) == (FailureClass.REFUSED, False)
    assert {line for line, _ in asked} == {"POST /mcp HTTP/1.1"}
    assert all(had_token for _, had_token in asked)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>", FailureClass.REFUSED),
        (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{"a', FailureClass.FORMAT),
        (f"HTTP/1.1 401 X\r\nContent-Length: {len(TOKEN)}\r\n\r\n{TOKEN}".encode(), FailureClass.AUTH),
        (b"", FailureClass.UNAVAILABLE),
    ],
)
async def test_what_is_no_peer_is_a_failure_before_anything_is_called(answer, expected):
    async with server(answer) as (url, _):
        error = await failure(url)
    assert (error.failure, error.may_have_arrived) == (expected, False), error.message


async def test_a_closed_port_is_unavailable():
    async with server(b"") as (url, _):
        pass
    assert (await failure(url)).failure is FailureClass.UNAVAILABLE


@asynccontextmanager
async def deaf():
    """A peer of the older protocol that opens a session, and from the call on hears nothing."""
    open_now, called = set(), asyncio.Event()

    async def serve(reader, writer):
        open_now.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = json.loads(await reader.readexactly(int(length[1]))) if length and int(length[1]) else {}
                if called.is_set() or head.startswith("GET"):
                    await reader.read()
                    return
                writer.write(said(body))
                if body.get("method") == "tools/call":
                    called.set()
                    await reader.read()
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            open_now.discard(writer)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp", called, open_now
    finally:
        listening.close()


def said(body):
    if body.get("method") == "initialize":
        told = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "deaf", "version": "1"}}
        result = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": told}).encode()
        return http("200 OK", result, "Mcp-Session-Id: s-1")
    if body.get("method") == "tools/call":
        return b""
    return http("202 Accepted", b"") if "id" not in body else http("404 X", b"")


def http(status, body, *headers):
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_peer_that_hears_nothing_holds_nobody_up(is_cancelled):
    peers = Peers()
    async with deaf() as (url, called, open_now):
        profile = Profile(
            name="p", adapter=Adapter.MCP, url=url, settings={"tool": "ask"}, timeout_seconds=20.0 if is_cancelled else 0.5
        )
        request = peers.encode(ASK, profile=profile, caller=CALLER)
        sending = asyncio.create_task(peers.send(request, profile=profile, token=TOKEN, headers=HEADERS, now=NOW))
        await asyncio.wait_for(called.wait(), 10)
        if is_cancelled:
            sending.cancel()
        async with asyncio.timeout(5):
            (ended,) = await asyncio.gather(sending, return_exceptions=True)
            await patiently(lambda: not open_now)
    assert isinstance(ended, asyncio.CancelledError if is_cancelled else GatewayError), ended
    if isinstance(ended, GatewayError):
        assert (ended.failure, ended.may_have_arrived) == (FailureClass.TIMEOUT, True)
