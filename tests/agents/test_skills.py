"""What agents may know of each other's skills."""

from datetime import datetime
from typing import Any

import pytest

from app.policies.types import Flag
from tests import boards
from tests.policies import desk

PATH = "/agent/get-agent-skills"
TEACH = """
INSERT INTO agent_skills (account_id, agent_id, skill_id)
SELECT a.account_id, a.id, k.id FROM agents a JOIN skills k ON k.account_id = a.account_id
WHERE a.slug = $1 AND k.slug = $2 ON CONFLICT DO NOTHING
"""


async def asked(board, who: str = "writer", **body: Any):
    return await board.as_(who).post(PATH, json=body)


async def shown(board, **body: Any) -> dict[str, Any]:
    answer = await asked(board, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_every_active_agent_is_shown_with_its_skills_and_without_their_texts(board):
    found = await shown(board)
    assert [one["agent_slug"] for one in found["agents"]] == sorted(slug for slug in board.tokens if "@" not in slug)
    assert (found["next_cursor"], found["limit"]) == (None, 50)
    for one in found["agents"]:
        assert one["skill_count"] == len(one["skills"])
        assert all(set(skill) == {"slug", "name", "description"} for skill in one["skills"])
        assert datetime.fromisoformat(one["updated_at"]).tzinfo is not None
    assert any(one["skills"] for one in found["agents"])


@pytest.mark.parametrize("slug", ["engineer", " @Engineer "])
async def test_one_agents_skills_come_with_their_texts(board, admin, slug):
    await admin.execute(TEACH, "engineer", "clear-handoff")
    (one,) = (await shown(board, agent_slug=slug))["agents"]
    assert one["agent_slug"] == "engineer"
    skill = next(skill for skill in one["skills"] if skill["slug"] == "clear-handoff")
    assert skill["content"] == await admin.fetchval("SELECT content FROM skills WHERE slug = 'clear-handoff'")


async def test_a_disabled_skill_is_not_shown_and_a_changed_one_changes_the_date(board, admin):
    await admin.execute(TEACH, "engineer", "clear-handoff")
    (before,) = (await shown(board, agent_slug="engineer"))["agents"]
    await admin.execute("UPDATE skills SET updated_at = '2040-01-01Z' WHERE slug = 'clear-handoff'")
    (changed,) = (await shown(board, agent_slug="engineer"))["agents"]
    assert (before["updated_at"] < changed["updated_at"], changed["updated_at"]) == (True, "2040-01-01T00:00:00Z")
    await admin.execute("UPDATE skills SET is_enabled = false")
    (after,) = (await shown(board, agent_slug="engineer"))["agents"]
    assert (after["skills"], after["skill_count"]) == ([], 0)


async def test_a_retired_agent_is_absent(board):
    answer = await board.person.patch(f"/api/v1/agents/{await board.agent_id('engineer')}", json={"retired": True})
    assert answer.status_code == 200
    assert "engineer" not in [one["agent_slug"] for one in (await shown(board))["agents"]]
    assert (await asked(board, agent_slug="engineer")).status_code == 404


async def test_an_agent_that_may_do_nothing_may_ask(board):
    await desk.flags(board, "writer", **dict.fromkeys((flag.value for flag in Flag), False))
    assert (await asked(board)).status_code == 200


async def test_pages_hold_every_agent_once_and_limits_are_clamped(board):
    everyone = [one["agent_slug"] for one in (await shown(board))["agents"]]
    found, cursor = [], None
    while True:
        page = await shown(board, limit=2, cursor=cursor)
        found += [one["agent_slug"] for one in page["agents"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == everyone
    assert [(await shown(board, limit=limit))["limit"] for limit in (9999, 0, -1)] == [200, 1, 1]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"agent_slug": ""}, "agent_slug"),
    ({"agent_slug": "x" * 65}, "agent_slug"),
    ({"agent_slug": "a\x00"}, "agent_slug"),
    ({"agent_slug": 5}, "agent_slug"),
    ({"agent_id": "1"}, "agent_id"),
    ({"limit": "all"}, "limit"),
    ({"cursor": "x" * 65}, "cursor"),
]


async def test_bad_questions_are_refused_with_their_field(board):
    for body, field in BAD:
        answer = await asked(board, **body)
        assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, field), body


async def test_an_agent_of_another_account_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        answer = await theirs.person.post("/api/v1/agents", json={"slug": "stranger", "name": "S", "role": "R"})
        assert answer.status_code == 201
        foreign, absent = [await asked(mine, agent_slug=slug) for slug in ("stranger", "nobody")]
        assert (foreign.status_code, absent.status_code) == (404, 404)
        assert foreign.json()["error"]["message"].replace("stranger", "nobody") == absent.json()["error"]["message"]
        assert "stranger" not in [one["agent_slug"] for one in (await shown(mine))["agents"]]
