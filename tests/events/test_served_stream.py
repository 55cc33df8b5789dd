"""The event stream over real sockets and the real server."""

import asyncio
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.kernel import settings as registry
from tests import make
from tests.events.listening import PATH, events_of, happen

BIG = "x" * 400_000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.events.served", str(port)),
        cwd=registry.ROOT,
        env=os.environ | {"DATABASE_URL": url, "CALLBOARD_LOG_LEVEL": "error"},
        stdout=asyncio.subprocess.DEVNULL,
    )

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://127.0.0.1:{port}/ready")).status_code < 500
        except httpx.TransportError:
            return False

    try:
        await make.until(ready)
        yield process, port
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


class Follower:
    """A client that reads all it is sent."""

    def __init__(self, url: str, token: str) -> None:
        self.raw = b""
        self.reading = asyncio.create_task(self._read(url, token))

    async def _read(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(trust_env=False, timeout=60) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                self.raw += piece

    async def until(self, count: int) -> None:
        async def enough() -> bool:
            return self.raw.count(b"\nevent: ") >= count

        await make.until(enough)


async def test_a_stalled_client_is_cut_off_others_go_on_and_a_stop_ends_them(board, urls):
    token = board.tokens["owner@example.com"]
    async with serving(urls[1]) as (process, port):
        follower = Follower(f"http://127.0.0.1:{port}{PATH}?type=test:", token)
        stalled = await asyncio.to_thread(connected, port, token)

        async def begun() -> bool:
            return b"id: " in follower.raw

        await make.until(begun)
        await happen(board.database, board.account_id, 30, text=BIG)
        await follower.until(30)
        with pytest.raises(ConnectionResetError):
            await asyncio.to_thread(drained, stalled)
        await happen(board.database, board.account_id, 3)
        await follower.until(33)
        process.send_signal(signal.SIGTERM)
        # The stream ends in good order, and the server need not kill what holds it up.
        await asyncio.wait_for(follower.reading, 20)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    seqs = [event["seq"] for event in events_of(follower.raw)]
    assert seqs == list(range(seqs[0], seqs[0] + 33))


def connected(port: int, token: str) -> socket.socket:
    """A client that asks and then reads the beginning only."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    ask = f"GET {PATH}?type=test: HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(ask.encode())
    begun = b""
    while b"retry: " not in begun:
        begun += connection.recv(1000)
    assert begun.startswith(b"HTTP/1.1 200")
    return connection


def drained(connection: socket.socket) -> None:
    """Find the connection broken, and only then what is left of it to read."""
    with connection:
        # What was sent before is lost with it: nothing is read until the peer has given up.
        poller = select.poll()
        poller.register(connection, 0)
        assert poller.poll(20_000), "the connection stands"
        while connection.recv(65_536):
            continue
