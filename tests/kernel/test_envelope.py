"""Every refusal has one shape, writes nothing, and carries the ids of its call."""

import json
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests import boards, make

TASKS = "/api/v1/tasks"
JSON = {"Content-Type": "application/json"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
WRITTEN = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM tasks), (SELECT count(*) FROM idempotency_records)"


async def written(admin) -> tuple[int, ...]:
    return tuple(await admin.fetchrow(WRITTEN))


def enveloped(answer, status: int, code: str) -> dict[str, Any]:
    """The error inside, once its shape is what every route promises."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"ok", "error", "correlation_id"}
    assert body["ok"] is False
    error: dict[str, Any] = body["error"]
    assert set(error) == {"contract_version", "code", "message", "details", "request_id"}
    assert (error["contract_version"], error["code"]) == ("v1", code)
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"].startswith("application/json")
    return error


def title(text: str) -> bytes:
    return b'{"title": ' + text.encode() + b"}"


BODIES: dict[str, tuple[bytes, int, str]] = {
    "broken": (b"{bad", 400, "malformed_request"),
    "cut off": (b'{"title": "a', 400, "malformed_request"),
    "two values": (b'{"title": "a"} {}', 400, "malformed_request"),
    "empty": (b"", 422, "validation_failed"),
    "a list": (b"[]", 422, "validation_failed"),
    "null": (b"null", 422, "validation_failed"),
    "13 MiB": (b'{"title": "' + b"x" * 13_631_488 + b'"}', 413, "payload_too_large"),
    "NUL escaped": (title('"a\\u0000b"'), 422, "validation_failed"),
    "NUL raw": (b'{"title": "a\x00b"}', 400, "malformed_request"),
    "NUL in a list": (b'{"title": "a", "labels": ["\\u0000"]}', 422, "validation_failed"),
    "NUL in a name": (b'{"title": "a", "assignee_slugs": ["\\u0000"]}', 422, "validation_failed"),
    "lone surrogate": (title('"\\ud800"'), 400, "malformed_request"),
    "surrogates swapped": (title('"\\udc00\\ud800"'), 400, "malformed_request"),
    "not UTF-8": (b'{"title": "\xff\xfe"}', 400, "malformed_request"),
    "surrogate as UTF-8": (b'{"title": "\xed\xa0\x80"}', 400, "malformed_request"),
    "UTF-16": ('{"title": "a"}'.encode("utf-16"), 400, "malformed_request"),
    "unknown field": (b'{"title": "a", "owner": 1}', 422, "validation_failed"),
    "author": (b'{"title": "a", "created_by_id": "1"}', 422, "validation_failed"),
    "wrong type": (title("1"), 422, "validation_failed"),
    "only spaces": (title('"  "'), 422, "validation_failed"),
    "too long": (title('"' + "x" * 2001 + '"'), 422, "validation_failed"),
    "huge number": (b'{"title": "a", "priority": 1' + b"0" * 400 + b"}", 422, "validation_failed"),
    "number beyond 64 bits": (b'{"title": "a", "priority": 99999999999999999999}', 422, "validation_failed"),
    "infinity": (b'{"title": "a", "priority": 1e999}', 422, "validation_failed"),
    "priority 6": (b'{"title": "a", "priority": 6}', 422, "validation_failed"),
    "no such state": (b'{"title": "a", "status": "parked"}', 422, "validation_failed"),
    "no date": (b'{"title": "a", "due_at": "tomorrow"}', 422, "validation_failed"),
    "before all time": (b'{"title": "a", "due_at": "0001-01-01T00:00:00+14:00"}', 422, "validation_failed"),
    "after all time": (b'{"title": "a", "due_at": "9999-12-31T23:59:59-14:00"}', 422, "validation_failed"),
    "deep": (title("[" * 100_000 + "]" * 100_000), 422, "validation_failed"),
    "deep objects": (b'{"x": ' * 50_000 + b"1" + b"}" * 50_000, 422, "validation_failed"),
}


async def test_a_body_that_is_not_what_was_asked_for_writes_nothing(board, admin):
    before, found = await written(admin), {}
    for name, (body, status, code) in BODIES.items():
        answer = await board.person.post(TASKS, content=body, headers=JSON | {"Idempotency-Key": "k"})
        found[name] = (answer.status_code, answer.json()["error"]["code"])
        if found[name] == (status, code):
            enveloped(answer, status, code)
    assert found == {name: (status, code) for name, (_, status, code) in BODIES.items()}
    assert await written(admin) == before


ABSENT = str(uuid4())
CALLS: list[tuple[str, str, int, str]] = [
    ("GET", "/nope", 404, "not_found"),
    ("GET", "/", 404, "not_found"),
    ("POST", "/agent/no-such-verb", 404, "not_found"),
    ("GET", "/api/v1/tasks/a/b/c", 404, "not_found"),
    ("DELETE", TASKS, 405, "method_not_allowed"),
    ("PUT", f"{TASKS}/{ABSENT}", 405, "method_not_allowed"),
    ("GET", "/agent/task-status", 405, "method_not_allowed"),
    ("GET", f"{TASKS}/{ABSENT}", 404, "not_found"),
    ("GET", f"{TASKS}/%00", 404, "not_found"),
    ("GET", f"{TASKS}/%ff%fe", 404, "not_found"),
    ("GET", f"{TASKS}/%ed%a0%80", 404, "not_found"),
    ("GET", f"{TASKS}/" + "x" * 5000, 404, "not_found"),
    ("GET", f"{TASKS}/..%2f..%2fetc", 404, "not_found"),
    ("POST", f"{TASKS}/{ABSENT}%00/status", 404, "not_found"),
    ("GET", "/api/v1/agents/%00", 404, "not_found"),
    ("DELETE", "/api/v1/tokens/%00", 404, "not_found"),
    ("GET", f"{TASKS}?limit=x", 422, "validation_failed"),
    ("GET", f"{TASKS}?limit=1.5", 422, "validation_failed"),
    ("GET", f"{TASKS}?cursor=x", 422, "validation_failed"),
    ("GET", f"{TASKS}?cursor=%00", 422, "validation_failed"),
    ("GET", f"{TASKS}?status=parked", 422, "validation_failed"),
    ("GET", f"{TASKS}?assignee=%00", 422, "validation_failed"),
    ("GET", "/api/v1/agents?cursor=%00", 422, "validation_failed"),
    ("GET", "/api/v1/events?after=-1", 422, "validation_failed"),
    ("GET", "/api/v1/events?after=x", 422, "validation_failed"),
    ("GET", "/api/v1/events?after=99999999999999999999", 422, "validation_failed"),
    ("GET", "/api/v1/events?type=%00", 422, "validation_failed"),
    ("GET", f"{TASKS}/{ABSENT}/events?after=99999999999999999999", 422, "validation_failed"),
    ("GET", "/api/v1/notifications?task_id=x", 422, "validation_failed"),
]


async def test_a_call_that_leads_nowhere_is_answered_in_the_same_shape(board, admin):
    before, found = await written(admin), []
    for method, path, status, code in CALLS:
        answer = await board.person.request(method, path, content=b"{}" if method == "POST" else None, headers=JSON)
        found.append((method, path, answer.status_code, answer.json()["error"]["code"]))
        if found[-1][2:] == (status, code):
            enveloped(answer, status, code)
        if status == 405:
            assert answer.headers["Allow"]
    assert found == CALLS
    assert await written(admin) == before


async def test_a_limit_out_of_range_is_clamped_and_the_answer_says_so(board):
    for limit in ("0", "-5", "9999", "99999999999999999999"):
        answer = await board.person.get(f"{TASKS}?limit={limit}")
        assert (answer.status_code, answer.json()["limit"]) == (200, 1 if int(limit) < 1 else 200)


STRANGERS = (
    "",
    "Bearer",
    "Bearer ",
    "Basic eDp5",
    "Bearer x",
    "Bearer cb_aaaaaaaa_x",
    "Bearer cb_aaaaaaa\u00e9_x",
    "cb_aaaaaaaa_x",
)


async def test_whoever_is_unknown_is_refused_and_told_how_to_come_in(board):
    for value in STRANGERS:
        headers = {"Authorization": value.encode("latin-1")} if value else {}
        async with board.client(None) as stranger:
            answer = await stranger.get(TASKS, headers=headers)
        enveloped(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("change", ["expires_at = now() - interval '1 second'", "revoked_at = now()"])
async def test_a_token_that_is_over_is_refused(board, admin, change):
    await admin.execute(f"UPDATE api_tokens SET {change} WHERE person_id IS NOT NULL")
    enveloped(await board.person.get(TASKS), 401, "unauthenticated")


async def test_a_token_lets_nobody_in_where_its_principal_does_not_belong(board):
    enveloped(await board.as_("engineer").get(TASKS), 403, "forbidden")
    enveloped(await board.person.post("/agent/next", json={"wait": 0}), 403, "forbidden")


async def test_a_body_that_is_not_called_json_is_read_as_json_or_refused(board, admin):
    answer = await board.person.post(TASKS, content=b"title=a", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code in (400, 415)
    enveloped(answer, answer.status_code, answer.json()["error"]["code"])
    assert await admin.fetchval("SELECT count(*) FROM tasks") == 0


async def test_a_client_that_asks_for_problems_gets_problems(board):
    answer = await board.person.get(f"{TASKS}/{ABSENT}", headers={"Accept": "application/problem+json"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (404, "not_found", "urn:callboard:error:not_found")
    assert body["request_id"] == answer.headers["X-Request-ID"]


async def test_a_request_id_is_given_back_or_made(board):
    for path in (TASKS, "/nope", f"{TASKS}/{ABSENT}", "/ready"):
        assert (await board.person.get(path, headers={"X-Request-ID": "mine-1"})).headers["X-Request-ID"] == "mine-1"
        made = [(await board.person.get(path)).headers["X-Request-ID"] for _ in range(2)]
        assert len({*made}) == 2
        odd = await board.person.get(path, headers=[(b"X-Request-ID", b"a b\xe9")])
        assert len(odd.headers["X-Request-ID"]) == 36


async def test_the_trace_of_a_call_is_found_on_its_event_and_command(urls, admin):
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "req-7"}
    async with boards.opened(urls[1], gateway_url="http://127.0.0.1:9") as board:
        answer = await board.person.post(TASKS, json={"title": "T", "assignee_slugs": ["engineer"]}, headers=headers)
        assert answer.status_code == 201
        log = (await board.person.get("/api/v1/events?limit=200")).json()["items"]
    mine = [(one["request_id"], one["correlation_id"]) for one in log if one["type"] == "board:task:created"]
    assert mine == [("req-7", TRACE)]
    commands = await admin.fetch("SELECT request_id, correlation_id FROM runtime_commands")
    assert {tuple(row) for row in commands} == {("req-7", TRACE)}


async def test_a_correlation_id_beats_the_trace_and_a_bad_trace_is_ignored(board):
    async def correlation(**headers: str) -> str:
        answer = await board.person.get("/nope", headers={name.replace("_", "-"): value for name, value in headers.items()})
        found: str = answer.json()["correlation_id"]
        return found

    trace = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert await correlation(x_correlation_id="c-1", traceparent=trace) == "c-1"
    assert await correlation(traceparent=trace) == TRACE
    assert await correlation(traceparent="00-xyz") not in ("", "xyz")


async def test_an_unreachable_database_is_said_to_be_so(urls):
    async with boards.opened(urls[1]) as board:
        await make.execute(make.url_of(urls[0], database="postgres"), *_closing(urls[0]))
        try:
            answer = await board.person.get(TASKS)
            enveloped(answer, 503, "dependency_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
        finally:
            await make.execute(make.url_of(urls[0], database="postgres"), *_opening(urls[0]))


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _closing(url: str) -> tuple[str, str]:
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_name(url)}'"
    return f"ALTER DATABASE {_name(url)} CONNECTION LIMIT 0", end


def _opening(url: str) -> tuple[str]:
    return (f"ALTER DATABASE {_name(url)} CONNECTION LIMIT -1",)


async def test_what_is_shown_of_an_error_is_json_whatever_was_sent(board):
    answer = await board.person.post(
        "/api/v1/policies/explain", content=b'{"action": "\\u007f\\u2028", "agent_slug": "\\ud83d\\ude00"}'
    )
    assert json.loads(answer.content)["error"]["code"] == "validation_failed"
