from datetime import timedelta

import httpx
import msgspec
import pytest
import respx

from app.agents.types import Adapter
from app.delivery.gateway.answers import read_answer
from app.delivery.gateway.posting import ANSWER_LIMIT, Endpoint
from app.delivery.gateway.responses import Responses
from app.delivery.types.runs import Ask, Caller, FailureClass, GatewayError, Profile, SendHeaders
from tests.delivery.worlds import NOW

URL = "http://gateway.example"
TOKEN = "t0ken-which-is-secret"
SESSION = "session-which-is-secret"
PROFILE = Profile(name="default", adapter=Adapter.RESPONSES, url=URL)
CALLER = Caller(agent_slug="tester", gateway_id="team-tester", session_key=SESSION)
REQUEST = Responses(httpx.AsyncClient()).encode(
    Ask(instructions="Be brief.", input="Hello \u00e9"), profile=PROFILE, caller=CALLER
)
HEADERS = SendHeaders(
    agent_slug="tester",
    gateway_id="team-tester",
    session_key=SESSION,
    idempotency_key="delivery-1",
    lane_seq=4,
    lane_epoch=2,
    request_id="req-1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
JSON = "application/json"


@pytest.fixture(scope="module")
async def client():
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


async def send(client, url=URL, *, token=TOKEN, within=5.0, headers=HEADERS):
    profile = msgspec.structs.replace(PROFILE, url=url, timeout_seconds=within)
    return await Responses(client).send(REQUEST, profile=profile, token=token, headers=headers, now=NOW)


async def failure(client, url=URL, **options):
    with pytest.raises(GatewayError) as caught:
        await send(client, url, **options)
    shown = f"{caught.value!r} {caught.value.message}"
    assert TOKEN not in shown
    assert SESSION not in shown
    assert caught.value.__cause__ is None
    return caught.value


def route(respx_mock):
    return respx_mock.post(f"{URL}/v1/responses")


def test_the_first_request_is_the_prompt():
    assert msgspec.json.decode(REQUEST) == {
        "model": "openclaw:team-tester",
        "input": "Hello \u00e9",
        "stream": False,
        "user": SESSION,
        "instructions": "Be brief.",
    }


def test_secrets_do_not_show_in_a_repr():
    shown = f"{Endpoint(url=URL, token=TOKEN)} {HEADERS}"
    assert TOKEN not in shown
    assert SESSION not in shown


@respx.mock
async def test_a_request_carries_body_and_headers(client, respx_mock):
    route(respx_mock).respond(200, json={"output_text": "Hi"})
    raw = await send(client, f"{URL}/")
    assert read_answer(raw).text == "Hi"
    sent = respx_mock.calls.last.request
    assert sent.content == REQUEST
    assert {name: sent.headers[name] for name in sent.headers if name not in {"host", "content-length"}} == {
        "content-type": JSON,
        "accept": JSON,
        "accept-encoding": "identity",
        "authorization": f"Bearer {TOKEN}",
        "x-openclaw-session-key": SESSION,
        "x-openclaw-agent-id": "team-tester",
        "idempotency-key": "delivery-1",
        "x-lane-seq": "4",
        "x-lane-epoch": "2",
        "x-request-id": "req-1",
        "traceparent": HEADERS.traceparent,
    }


@respx.mock
async def test_absent_headers_are_not_sent(client, respx_mock):
    route(respx_mock).respond(200, text="Hi")
    await send(client, token=None, headers=SendHeaders(agent_slug="tester", gateway_id="tester", session_key=SESSION))
    sent = respx_mock.calls.last.request.headers
    assert not {"authorization", "idempotency-key", "x-lane-seq", "x-lane-epoch", "x-request-id", "traceparent"} & set(sent)


@respx.mock
async def test_cookies_of_one_answer_do_not_travel_with_the_next_request(client, respx_mock):
    route(respx_mock).respond(200, text="Hi", headers={"set-cookie": "who=other; Path=/"})
    await send(client)
    await send(client)
    assert "cookie" not in respx_mock.calls.last.request.headers


@respx.mock
async def test_the_token_goes_before_credentials_in_the_address(client, respx_mock):
    route(respx_mock).respond(200, text="Hi")
    await send(client, "http://user:word@gateway.example")
    assert respx_mock.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (500, FailureClass.UNAVAILABLE),
        (502, FailureClass.UNAVAILABLE),
        (503, FailureClass.UNAVAILABLE),
        (429, FailureClass.RATE_LIMITED),
        (401, FailureClass.AUTH),
        (403, FailureClass.AUTH),
        (408, FailureClass.TIMEOUT),
        (400, FailureClass.REFUSED),
        (404, FailureClass.REFUSED),
        (422, FailureClass.REFUSED),
        (304, FailureClass.REFUSED),
    ],
)
@respx.mock
async def test_a_status_has_its_class(client, respx_mock, status, expected):
    route(respx_mock).respond(status, text="no such model")
    error = await failure(client)
    assert (error.failure, error.status, error.may_have_arrived) == (expected, status, True)
    assert error.message == f"the gateway answered {status}: no such model"


@respx.mock
async def test_a_redirect_is_refused_and_not_followed(client, respx_mock):
    elsewhere = respx_mock.post("http://elsewhere.example/")
    route(respx_mock).respond(307, headers={"location": "http://elsewhere.example/"})
    assert (await failure(client)).failure is FailureClass.REFUSED
    assert not elsewhere.called


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7.0),
        (503, "30", 30.0),
        (429, (NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
        (429, (NOW - timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0),
        (429, "999999999", 86_400.0),
        (429, "soon", None),
        (429, "-1", None),
        (429, "", None),
        (500, "7", None),
    ],
)
@respx.mock
async def test_retry_after_is_read_as_seconds_or_a_date(client, respx_mock, status, header, seconds):
    route(respx_mock).respond(status, headers={"retry-after": header})
    assert (await failure(client)).retry_after == seconds


@respx.mock
async def test_a_refusal_that_quotes_secrets_is_shown_without_them(client, respx_mock):
    route(respx_mock).respond(400, text=f"bad {TOKEN} for {SESSION} of user:pass-word")
    error = await failure(client, "http://user:pass-word@gateway.example")
    assert error.message == "the gateway answered 400: bad *** for *** of ***:***"


@pytest.mark.parametrize(
    ("cause", "expected", "may_have_arrived"),
    [
        (httpx.ConnectError("refused"), FailureClass.UNAVAILABLE, False),
        (httpx.ConnectTimeout("slow"), FailureClass.UNAVAILABLE, False),
        (httpx.PoolTimeout("busy"), FailureClass.UNAVAILABLE, False),
        (httpx.ReadTimeout("slow"), FailureClass.TIMEOUT, True),
        (httpx.WriteTimeout("slow"), FailureClass.TIMEOUT, True),
        (httpx.ReadError("cut"), FailureClass.UNAVAILABLE, True),
        (httpx.RemoteProtocolError("cut"), FailureClass.UNAVAILABLE, True),
        (httpx.LocalProtocolError(f"Illegal header value {TOKEN}"), FailureClass.REFUSED, False),
    ],
)
@respx.mock
async def test_a_broken_send_has_its_class(client, respx_mock, cause, expected, may_have_arrived):
    route(respx_mock).mock(side_effect=cause)
    error = await failure(client)
    assert (error.failure, error.may_have_arrived) == (expected, may_have_arrived)


@pytest.mark.parametrize(
    "url", ["", "gateway.example", "ftp://gateway.example", "http://gateway.example:port", "http://127.0.0.1:99999"]
)
async def test_a_bad_address_is_refused(client, url):
    assert (await failure(client, url)).failure is FailureClass.REFUSED


async def test_a_header_that_cannot_be_sent_is_refused(client):
    headers = SendHeaders(agent_slug="t\u00e9ster\u2026", gateway_id="t\u00e9ster\u2026", session_key=SESSION)
    assert (await failure(client, headers=headers)).failure is FailureClass.REFUSED


@respx.mock
async def test_an_answer_that_is_too_large_is_a_format_failure(client, respx_mock):
    route(respx_mock).respond(200, content=b"x" * (ANSWER_LIMIT + 1))
    error = await failure(client)
    assert (error.failure, error.status) == (FailureClass.FORMAT, 200)
