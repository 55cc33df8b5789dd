import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from app.agents.types import Adapter
from app.delivery.gateway.answers import read_answer
from app.delivery.gateway.posting import ANSWER_LIMIT
from app.delivery.gateway.responses import Responses
from app.delivery.types.runs import FailureClass, GatewayError, Profile, SendHeaders
from tests.delivery.worlds import NOW

HEADERS = SendHeaders(agent_slug="tester", gateway_id="tester", session_key="session")
JSON = "application/json"


@pytest.fixture(scope="module")
async def client():
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


async def send(client, url, *, within=5.0):
    profile = Profile(name="default", adapter=Adapter.RESPONSES, url=url, timeout_seconds=within)
    return await Responses(client).send(b"{}", profile=profile, token=None, headers=HEADERS, now=NOW)


async def failure(client, url, **options):
    with pytest.raises(GatewayError) as caught:
        await send(client, url, **options)
    return caught.value


@asynccontextmanager
async def server(reply):
    """A real server on a free port; `reply` writes the answer."""

    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            await reply(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


def http(status, body, content_type=JSON, length=None):
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


def says(*parts):
    async def reply(writer):
        for part in parts:
            writer.write(part)

    return reply


async def test_a_real_server_answers(client):
    async with server(says(http(200, b'{"output_text": "Hi"}'))) as url:
        assert read_answer(await send(client, url)).text == "Hi"


async def test_a_real_closed_port_is_unavailable(client):
    async with server(says()) as url:
        pass
    error = await failure(client, url)
    assert (error.failure, error.may_have_arrived) == (FailureClass.UNAVAILABLE, False)


async def test_a_real_silent_server_times_out(client):
    async def silent(writer):
        await asyncio.sleep(2)

    async with server(silent) as url:
        error = await failure(client, url, within=0.1)
    assert (error.failure, error.may_have_arrived) == (FailureClass.TIMEOUT, True)


async def test_a_real_server_that_drips_times_out_as_a_whole(client):
    async def drip(writer):
        writer.write(http(200, b"", length=1_000))
        for _ in range(40):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(drip) as url:
        assert (await failure(client, url, within=0.25)).failure is FailureClass.TIMEOUT


async def test_a_real_500_is_unavailable(client):
    async with server(says(http(500, b"boom", "text/plain"))) as url:
        error = await failure(client, url)
    assert (error.failure, error.status) == (FailureClass.UNAVAILABLE, 500)


async def test_a_real_malformed_answer_is_a_format_failure(client):
    async with server(says(http(200, b'{"output_text": "cut'))) as url:
        raw = await send(client, url)
    with pytest.raises(GatewayError) as caught:
        read_answer(raw)
    assert caught.value.failure is FailureClass.FORMAT


async def test_a_real_answer_cut_in_the_middle_is_unavailable(client):
    async with server(says(http(200, b'{"output_text"', length=500))) as url:
        error = await failure(client, url)
    assert (error.failure, error.may_have_arrived) == (FailureClass.UNAVAILABLE, True)


async def test_a_real_answer_without_end_is_read_no_further_than_the_limit(client):
    written = 0

    async def flood(writer):
        nonlocal written
        writer.write(http(200, b"", length=10**9))
        for _ in range(400):
            writer.write(b"x" * 2**17)
            await writer.drain()
            written += 2**17

    async with server(flood) as url:
        assert (await failure(client, url)).failure is FailureClass.FORMAT
    assert written < 2 * ANSWER_LIMIT


async def test_an_answer_left_unread_gives_its_connection_back():
    async with (
        server(says(http(200, b"x" * (ANSWER_LIMIT + 1)))) as url,
        httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=1)) as narrow,
    ):
        for _ in range(2):
            assert (await failure(narrow, url)).failure is FailureClass.FORMAT


async def test_cancelling_a_send_closes_the_connection(client):
    closed = asyncio.Event()

    async def wait(writer):
        while not writer.is_closing():
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        closed.set()

    async with server(wait) as url:
        sending = asyncio.create_task(send(client, url))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(closed.wait(), 2)
