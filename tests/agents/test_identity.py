"""Layers of identity over REST, where each is looked for, and who hears of a change."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.agents import identity
from app.agents.layering import LAYER_MOST_BYTES
from app.agents.types import IdentityChanged
from tests import boards
from tests.make import ORIGIN
from tests.policies import desk

LAYERS = "/api/v1/identity-layers"


@pytest.fixture
async def told(board) -> AsyncIterator[list[Any]]:
    """The changes that the rooms above hear of."""
    heard: list[Any] = []

    async def hear(_tx: Any, event: Any) -> None:
        heard.append(event)

    subscribers = board.database.subscribers.setdefault(IdentityChanged, [])
    subscribers.append(hear)
    yield heard
    subscribers.remove(hear)


async def wrote(board, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = await board.person.post(LAYERS, json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def who(board, slug: str) -> dict[str, Any]:
    answer = await board.person.get(f"/api/v1/agents/{await board.agent_id(slug)}/identity")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sources(found: dict[str, Any]) -> dict[str, str]:
    return {one["layer"]: one["source"] for one in found["sources"]}


async def change(board, slug: str, **fields: Any) -> dict[str, Any]:
    answer = await board.person.patch(f"/api/v1/agents/{await board.agent_id(slug)}", json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_layer_comes_from_the_nearest_place_that_has_it(board, admin, told):
    first = await who(board, "engineer")
    assert sources(first) == {"soul": "agent", "agent": "shared", "identity": "shared", "user": "shared"}
    assert first["soul"] == await admin.fetchval("SELECT soul FROM agents WHERE slug = 'engineer'")
    assert (first["warnings"], {one["heading"] for one in first["conflicts"]}) == ([], set())
    # Named before it has a layer, the folder gives none.
    assert (await change(board, "engineer", identity_folder="builders"))["identity_folder"] == "builders"
    assert await who(board, "engineer") == first
    engineer, shared = await board.agent_id("engineer"), {"scope": "shared", "layer": "user", "content": "x"}
    await wrote(board, scope="folder", name="builders", layer="user", content="## People\r\nOf the folder.\r\n")
    own = await wrote(board, scope="agent", name="engineer", layer="user", content="## How you work\nLeft out.\n\n## Mine\nx")
    assert [event.agent_ids and [str(one) for one in event.agent_ids] for event in told] == [[engineer], [engineer]]
    found = await who(board, "engineer")
    assert sources(found)["user"] == "agent"
    assert found["conflicts"] == [{"layer": "user", "heading": "How you work", "winner": "soul"}]
    assert (await board.person.delete(f"{LAYERS}/{own['id']}")).status_code == 204
    found = await who(board, "engineer")
    assert (sources(found)["user"], "Of the folder.\n" in found["prompt"]) == ("folder builders", True)
    assert sources(await who(board, "writer"))["user"] == "shared"
    await change(board, "engineer", soul="", identity_folder=None)
    found = await who(board, "engineer")
    assert (sources(found), found["soul"]) == (dict.fromkeys(("soul", "agent", "identity", "user"), "shared"), None)
    async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
        assert (await identity.compiled(tx, UUID(engineer))).sha256 == found["sha256"]
    for one in (await board.person.get(LAYERS)).json()["items"]:
        assert (await board.person.delete(f"{LAYERS}/{one['id']}")).status_code == 204
    assert None in [event.agent_ids for event in told]
    found = await who(board, "engineer")
    assert (set(sources(found).values()), len(found["warnings"])) == ({"default"}, 4)
    assert (await wrote(board, 201, **shared))["version"] == 1


async def test_layers_are_written_once_changed_by_version_and_listed_in_pages(board, admin):
    made = await wrote(board, scope="folder", name="builders", layer="soul", content="## A\nx")
    assert made == (await board.person.get(f"{LAYERS}/{made['id']}")).json()
    assert (made["content"], made["size"], made["version"]) == ("## A\nx", 6, 1)
    assert (await wrote(board, 409, scope="folder", name="builders", layer="soul", content="y"))["error"]["code"] == "duplicate"
    at = f"{LAYERS}/{made['id']}"
    changed = (await board.person.patch(at, json={"content": "## A\ny", "expected_version": 1})).json()
    assert (changed["content"], changed["version"]) == ("## A\ny", 2)
    assert (await board.person.patch(at, json={"content": "## A\r\ny"})).json()["version"] == 2
    late = await board.person.patch(at, json={"content": "z", "expected_version": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "version_conflict")
    everything = (await board.person.get(LAYERS)).json()["items"]
    assert [(one["scope"], one["name"], one["layer"]) for one in everything][-1] == ("folder", "builders", "soul")
    assert all("content" not in one for one in everything)
    page = (await board.person.get(LAYERS, params={"limit": 2})).json()
    rest = (await board.person.get(LAYERS, params={"cursor": page["next_cursor"]})).json()
    assert (page["items"] + rest["items"], rest["next_cursor"]) == (everything, None)
    picked = (await board.person.get(LAYERS, params={"scope": "shared", "layer": "user"})).json()["items"]
    assert [(one["scope"], one["layer"]) for one in picked] == [("shared", "user")]
    assert len((await board.person.get(LAYERS, params={"name": "builders"})).json()["items"]) == 1
    assert (await board.person.get(LAYERS, params={"scope": "mine"})).status_code == 422
    told = await admin.fetch(
        "SELECT type, sequence, payload::text AS payload FROM events WHERE entity_id = $1 ORDER BY seq", made["id"]
    )
    assert [(row["type"], row["sequence"]) for row in told] == [
        ("board:identity_layer:created", 1),
        ("board:identity_layer:updated", 2),
    ]
    assert not [row for row in told if "## A" in row["payload"]]
    # Two at once: one is written, the other is told that there is one.
    body = {"scope": "shared", "layer": "soul", "content": "x"}
    await admin.execute("DELETE FROM identity_layers WHERE scope = 'shared' AND layer = 'soul'")
    answers = await asyncio.gather(*(board.person.post(LAYERS, json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


BAD: list[tuple[dict[str, Any], int, str | None]] = [
    ({"scope": "shared", "name": "x", "layer": "user", "content": "x"}, 422, "name"),
    ({"scope": "folder", "layer": "user", "content": "x"}, 422, "name"),
    ({"scope": "agent", "name": "engineer", "layer": "soul", "content": "x"}, 422, "layer"),
    ({"scope": "folder", "name": "../up", "layer": "user", "content": "x"}, 422, "name"),
    ({"scope": "folder", "name": "a\x00", "layer": "user", "content": "x"}, 422, "name"),
    ({"scope": "folder", "name": "x" * 64, "layer": "user", "content": "x"}, 422, "name"),
    ({"scope": "folder", "name": "f", "layer": "user", "content": " \n"}, 422, "content"),
    ({"scope": "folder", "name": "f", "layer": "user", "content": "\ufeff"}, 422, "content"),
    ({"scope": "folder", "name": "f", "layer": "user", "content": "a\x00"}, 422, "content"),
    ({"scope": "folder", "name": "f", "layer": "user", "content": "x", "author": "me"}, 422, "author"),
    ({"scope": "folder", "name": "f", "layer": "user", "content": "ä" * (LAYER_MOST_BYTES // 2) + "x"}, 413, None),
    ({"scope": "agent", "name": "nobody", "layer": "user", "content": "x"}, 404, None),
]


async def test_what_is_no_layer_is_refused_and_only_admins_write(board, admin):
    before = await admin.fetchval("SELECT count(*) FROM identity_layers")
    for body, status, field in BAD:
        error = (await wrote(board, status, **body))["error"]
        assert field is None or error["details"]["fields"][0]["field"] == field, body
    assert (
        await board.person.patch(f"/api/v1/agents/{await board.agent_id('writer')}", json={"identity_folder": "../x"})
    ).status_code == 422
    assert await admin.fetchval("SELECT count(*) FROM identity_layers") == before
    most = await wrote(board, scope="folder", name="f", layer="user", content="ä" * (LAYER_MOST_BYTES // 2))
    assert most["size"] == LAYER_MOST_BYTES
    member, viewer = [await desk.person(board, admin, role) for role in ("member", "viewer")]
    for name in (member, "engineer"):
        answer = await board.as_(name).post(LAYERS, json={"scope": "shared", "layer": "user", "content": "x"})
        assert answer.status_code == 403, name
    assert (await board.as_(viewer).get(f"{LAYERS}/{most['id']}")).status_code == 200


async def test_what_another_account_has_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        hidden = await wrote(theirs, scope="folder", name="secret-folder", layer="user", content="## Theirs\nx")
        at = f"{LAYERS}/{hidden['id']}"
        answers = [await mine.person.get(at), await mine.person.patch(at, json={"content": "y"}), await mine.person.delete(at)]
        foreign = f"/api/v1/agents/{await theirs.agent_id('engineer')}/identity"
        assert [answer.status_code for answer in (*answers, await mine.person.get(foreign))] == [404] * 4
        assert (await theirs.person.get(at)).json() == hidden
        await change(mine, "engineer", identity_folder="secret-folder")
        assert "Theirs" not in (await who(mine, "engineer"))["prompt"]
