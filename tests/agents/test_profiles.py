"""Executor profiles over REST: what an admin may say, and what only the operator may."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests import boards, make
from tests.conftest import STRATEGY

PROFILES = "/api/v1/executor-profiles"
OUTSIDE: dict[str, Any] = {
    "OPENCLAW_GATEWAY_URL": "https://gateway.example/base",
    "CALLBOARD_GATEWAY_ORIGINS": "https://chat.example=CHAT_TOKEN, http://127.0.0.1:9000",
    "CALLBOARD_EXECUTOR_COMMANDS": "crew=HOME /bin/cat -",
    "CHAT_TOKEN": "t0ken-which-is-secret",
    "HOME": "/somewhere",
}
CHAT = {"name": "chat", "adapter": "chat", "url": "https://chat.example/v1", "settings": {"model": "m-1"}}


@pytest.fixture(scope="module")
async def places(cluster, template):
    """(admin, service) addresses of one database for all tests here."""
    admin, service = cluster
    name = f"t_{uuid4().hex[:12]}"
    await make.execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {STRATEGY}")
    yield make.url_of(admin, database=name), make.url_of(service, database=name)
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def board(places):
    async with boards.in_own_task(lambda: boards.opened(places[1], **OUTSIDE)) as opened:
        yield opened


async def made(board, **fields):
    answer = await board.person.post(PROFILES, json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refused(board, **fields):
    answer = await board.person.post(PROFILES, json={"name": "refused"} | fields)
    assert answer.status_code == 422, answer.text
    return answer.json()["error"]["details"]["fields"][0]["field"]


async def test_a_profile_is_made_read_changed_and_taken_away(board):
    first = await made(board, **CHAT | {"settings": {"model": "m-1", "usd_per_million_input": 2.5}, "timeout_seconds": 60})
    assert first["settings"] == {"model": "m-1", "usd_per_million_input": "2.5"}
    assert (first["version"], first["agents"], first["failover"], first["timeout_seconds"]) == (1, [], [], 60)
    at = f"{PROFILES}/{first['id']}"
    assert (await board.person.get(at)).json() == first
    page = (await board.person.get(PROFILES, params={"limit": 1})).json()
    assert [one["name"] for one in page["items"]] == ["chat"]
    assert [one["name"] for one in (await board.person.get(PROFILES, params={"cursor": "chat"})).json()["items"]] == ["default"]
    changed = await board.person.patch(at, json={"failover": ["default"], "timeout_seconds": None, "expected_version": 1})
    assert (changed.json()["version"], changed.json()["failover"], changed.json()["settings"]) == (
        2,
        ["default"],
        first["settings"],
    )
    again = await board.person.patch(at, json={"failover": ["default"]})
    assert again.json()["version"] == 2
    late = await board.person.patch(at, json={"name": "other", "expected_version": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "version_conflict")
    assert (await board.person.post(PROFILES, json=CHAT)).json()["error"]["code"] == "duplicate"
    assert (await board.person.delete(at)).status_code == 204
    assert (await board.person.get(at)).status_code == 404


async def test_what_an_adapter_does_not_know_or_cannot_be_is_refused(board):
    assert await refused(board, adapter="chat", url="https://chat.example", settings={}) == "settings"
    assert await refused(board, adapter="chat", settings={"model": "m"}) == "url"
    assert await refused(board, adapter="responses", settings={"modle": "m"}) == "settings"
    assert await refused(board, adapter="responses", settings={"stream": "yes"}) == "settings.stream"
    assert await refused(board, adapter="responses", settings={"history": "some"}) == "settings.history"
    assert await refused(board, adapter="responses", settings={"usd_per_million_input": -1}) == "settings.usd_per_million_input"
    assert (
        await refused(board, adapter="responses", settings={"usd_per_million_output": "NaN"}) == "settings.usd_per_million_output"
    )
    price = {"usd_per_million_output": "1e-999999999"}
    assert await refused(board, adapter="responses", settings=price) == "settings.usd_per_million_output"
    assert await refused(board, adapter="scripted", settings={"steps": [{"text": 1}]}) == "settings.steps[0].text"
    assert await refused(board, adapter="scripted", settings={"steps": [{"cost_usd": -1}]}) == "settings.steps[0].cost_usd"
    assert await refused(board, adapter="scripted", url="https://chat.example") == "url"
    for seconds in (4, 3601):
        assert await refused(board, adapter="responses", timeout_seconds=seconds) == "timeout_seconds"
    assert await refused(board, adapter="responses", failover=["nobody"]) == "failover"
    assert await refused(board, adapter="responses", failover=["default", "default"]) == "failover"
    assert await refused(board, adapter="responses", failover=["refused"]) == "failover"


@pytest.mark.parametrize(
    "url",
    [
        "https://chat.example:444",
        "http://chat.example",
        "https://chat.example.evil.example",
        "https://user:word@chat.example",
        "https://chat.example@evil.example",
        "https://chat.example\\@evil.example",
        "https://evil.example#https://chat.example",
        "https://chat.example/#x",
        "https://chat.example/?to=evil",
        "https://chat.example/ x",
        "https://chat.example:99999",
        "https://[chat.example",
        "//chat.example",
        "file:///etc/passwd",
        "http://169.254.169.254",
        "http://127.0.0.1:9001",
    ],
)
async def test_an_account_sends_only_where_the_operator_lets_it(board, url):
    assert await refused(board, adapter="responses", url=url) == "url"


async def test_the_operators_own_gateway_is_always_allowed(board):
    one = await made(board, name="own", adapter="responses", url="https://gateway.example/elsewhere")
    assert one["url"] == "https://gateway.example/elsewhere"


async def test_an_address_that_was_allowed_once_stays_and_is_not_taken_elsewhere(board, places):
    one = await made(board, name="stays", adapter="responses", url="http://127.0.0.1:9000")
    elsewhere = "UPDATE executor_profiles SET url = 'http://127.0.0.1:9001' WHERE name = 'stays'"
    await make.execute(places[0], elsewhere)
    at = f"{PROFILES}/{one['id']}"
    assert (await board.person.patch(at, json={"settings": {"tools": False}})).status_code == 200
    assert (await board.person.patch(at, json={"url": "http://127.0.0.1:9001/x"})).status_code == 422
    assert (await board.person.patch(at, json={"url": "http://127.0.0.1:9002"})).status_code == 422


async def test_an_account_names_a_command_and_never_a_program(board):
    for command in ("/bin/sh", "sh", "crew -c"):
        assert await refused(board, adapter="process", settings={"command": command}) == "settings.command"
    assert await refused(board, adapter="process", settings={"command": "crew", "environment": {}}) == "settings"
    await made(board, name="cli", adapter="process", settings={"command": "crew", "input": "json"})


async def test_profiles_never_fail_over_in_a_ring(board):
    ring = [await made(board, name=f"ring-{n}", adapter="responses") for n in range(3)]
    edits = [
        board.person.patch(f"{PROFILES}/{one['id']}", json={"failover": [ring[(n + 1) % 3]["name"]]})
        for n, one in enumerate(ring)
    ]
    statuses = [answer.status_code for answer in await asyncio.gather(*edits)]
    assert sorted(statuses) == [200, 200, 422]
    named = next(one for one, status in zip(ring[1:] + ring[:1], statuses, strict=True) if status == 200)
    kept = await board.person.delete(f"{PROFILES}/{named['id']}")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "profile_in_use")
    renamed = await board.person.patch(f"{PROFILES}/{named['id']}", json={"name": "elsewhere"})
    assert renamed.json()["error"]["code"] == "profile_in_use"


async def test_an_agent_is_given_a_profile_by_name_and_holds_it(board):
    profile = await made(board, name="scripted", adapter="scripted", settings={"steps": [{"text": "Hi"}]})
    new = {"slug": "actor", "name": "Actor", "role": "Plays", "reach": "gateway"}
    assert (await board.person.post("/api/v1/agents", json=new | {"profile": "nobody"})).status_code == 404
    pulls = await board.person.post("/api/v1/agents", json=new | {"profile": "scripted", "reach": "pull"})
    assert pulls.json()["error"]["details"]["fields"][0]["field"] == "profile"
    agent = (await board.person.post("/api/v1/agents", json=new | {"profile": "scripted"})).json()
    assert agent["profile"] == "scripted"
    assert (await board.person.get(f"{PROFILES}/{profile['id']}")).json()["agents"] == ["actor"]
    kept = await board.person.delete(f"{PROFILES}/{profile['id']}")
    assert (kept.status_code, kept.json()["error"]["details"]["agents"]) == (409, ["actor"])
    moved = await board.person.patch(f"/api/v1/agents/{agent['id']}", json={"profile": "default"})
    assert moved.json()["profile"] == "default"
    assert (await board.person.delete(f"{PROFILES}/{profile['id']}")).status_code == 204
    back = await board.person.patch(f"/api/v1/agents/{agent['id']}", json={"reach": "pull"})
    assert back.json()["profile"] is None


async def test_only_an_admin_sees_or_changes_profiles(board):
    for who in ("engineer", "orchestrator"):
        assert (await board.as_(who).get(PROFILES)).status_code in (401, 403)
        assert (await board.as_(who).post(PROFILES, json=CHAT)).status_code in (401, 403)


async def test_no_token_is_ever_told(board):
    told = [(await board.person.get(path)).text for path in (PROFILES, "/api/v1/agents", "/api/v1/events")]
    assert not any("t0ken" in text for text in told)
