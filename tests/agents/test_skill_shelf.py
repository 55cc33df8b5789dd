"""Skills over REST: written, approved by another, given to agents, withheld and taken away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.agents.approving import SKILL_MOST_BYTES
from app.agents.types import SkillsChanged
from tests import boards
from tests.policies import desk

SKILLS = "/api/v1/skills"


async def wrote(board, who: str | None = None, status: int = 201, **body: Any) -> dict[str, Any]:
    caller = board.as_(who) if who else board.person
    answer = await caller.post(SKILLS, json={"slug": "tidy", "name": "Tidy", "content": "# Tidy\nUp."} | body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def gives(board, slug: str, *skills: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    path = f"/api/v1/agents/{await board.agent_id(slug)}/skills"
    answer = await board.person.put(path, json={"skills": list(skills)} | fields)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def knows(board, slug: str) -> list[str]:
    """What the agent itself is taught."""
    answer = await board.as_("writer").post("/agent/get-agent-skills", json={"agent_slug": slug})
    (one,) = answer.json()["agents"]
    seen = await board.person.get(f"/api/v1/agents/{await board.agent_id(slug)}")
    assert [skill["slug"] for skill in one["skills"]] == seen.json()["skills"]
    return [skill["slug"] for skill in one["skills"]]


@pytest.fixture
async def heard(board) -> AsyncIterator[list[Any]]:
    """Whom the rooms above hear to be concerned."""
    found: list[Any] = []

    async def hear(_tx: Any, event: Any) -> None:
        found.append([str(one) for one in event.agent_ids])

    subscribers = board.database.subscribers.setdefault(SkillsChanged, [])
    subscribers.append(hear)
    yield found
    subscribers.remove(hear)


async def test_a_skill_is_written_given_changed_and_taken_away(board, admin, heard):
    made = await wrote(board, description="Tidy up.")
    at = f"{SKILLS}/{made['id']}"
    assert made == (await board.person.get(at)).json()
    assert (made["version"], made["approval"], made["is_usable"], made["agents"]) == (1, "not_required", True, [])
    assert (await wrote(board, status=409))["error"]["code"] == "duplicate"
    given = await gives(board, "engineer", "tidy", "clear-handoff", "tidy")
    assert [one["slug"] for one in given["skills"]] == ["clear-handoff", "tidy"]
    assert (await knows(board, "engineer"), given["version"]) == (["clear-handoff", "tidy"], 2)
    assert (await gives(board, "engineer", "clear-handoff", "tidy"))["version"] == 2
    assert (await gives(board, "engineer", "tidy", status=409, expected_version=1))["error"]["code"] == "version_conflict"
    assert (await gives(board, "engineer", "tidy", "absent", status=404))["error"]["details"]["id"] == "absent"
    changed = (await board.person.patch(at, json={"content": "# Other", "expected_version": 1})).json()
    assert (changed["content"], changed["version"], changed["agents"], changed["size"]) == ("# Other", 2, ["engineer"], 7)
    assert (await board.person.patch(at, json={"name": "Tidy"})).json()["version"] == 2
    late = await board.person.patch(at, json={"name": "Late", "expected_version": 1})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "version_conflict")
    assert (await board.person.patch(at, json={"is_enabled": False})).json()["is_usable"] is False
    assert await knows(board, "engineer") == ["clear-handoff"]
    shown = (await board.person.get(f"/api/v1/agents/{given['agent_id']}/skills")).json()
    assert [(one["slug"], one["is_enabled"]) for one in shown["skills"]] == [("clear-handoff", True), ("tidy", False)]
    assert (await board.person.delete(at)).status_code == 204
    assert (await board.person.get(at)).status_code == 404
    assert await admin.fetchval("SELECT count(*) FROM agent_skills WHERE skill_id = $1", made["id"]) == 0
    told = await admin.fetch(
        "SELECT type, sequence, payload::text AS p FROM events WHERE entity_id = $1 ORDER BY seq", made["id"]
    )
    assert [(row["type"].rsplit(":")[-1], row["sequence"]) for row in told] == [
        ("created", 1),
        ("updated", 2),
        ("updated", 3),
        ("deleted", 4),
    ]
    assert not [row for row in told if "Up." in row["p"] or "# Other" in row["p"]]
    assert heard == [[given["agent_id"]]] * 4


async def test_what_requires_approval_teaches_nobody_until_another_admin_approved_this_version(board, admin):
    made = await wrote(board, requires_approval=True)
    await gives(board, "engineer", "tidy")
    approve = f"{SKILLS}/{made['id']}/approve"
    assert (made["approval"], await knows(board, "engineer")) == ("pending", [])
    alone = (await board.person.post(approve, json={"version": 1})).json()
    assert (alone["approval"], alone["version"], await knows(board, "engineer")) == ("approved", 1, ["tidy"])
    remark = "SELECT payload ->> 'approval' FROM events WHERE type = 'board:skill:approved' ORDER BY seq DESC LIMIT 1"
    assert await admin.fetchval(remark) == "alone"
    other = await desk.person(board, admin, "admin")
    edited = (await board.person.patch(f"{SKILLS}/{made['id']}", json={"content": "# New"})).json()
    assert (edited["approval"], edited["version"], await knows(board, "engineer")) == ("pending", 2, [])
    own = await board.person.post(approve, json={"version": 2})
    assert (own.status_code, own.json()["error"]["details"]["reason"]) == (403, "self_approval")
    release = await board.person.patch(f"{SKILLS}/{made['id']}", json={"requires_approval": False})
    assert release.status_code == 403
    assert (await board.as_(other).post(approve, json={"version": 1})).status_code == 409
    assert (await board.as_(other).post(approve, json={"version": 2})).json()["is_usable"] is True
    assert (await admin.fetchval(remark), await knows(board, "engineer")) == ("by_another", ["tidy"])
    # Off and on again is no other text.
    for is_enabled in (False, True):
        seen = (await board.person.patch(f"{SKILLS}/{made['id']}", json={"is_enabled": is_enabled})).json()
        assert (seen["approval"], seen["is_usable"], seen["approved_version"]) == ("approved", is_enabled, seen["version"])
    # An edit and an approval of what was there before it: one of them comes first, and no unread text is approved.
    version = (await board.person.get(f"{SKILLS}/{made['id']}")).json()["version"]
    await asyncio.gather(
        board.person.patch(f"{SKILLS}/{made['id']}", json={"content": "# Raced"}),
        board.as_(other).post(approve, json={"version": version}),
    )
    assert (await board.person.get(f"{SKILLS}/{made['id']}")).json()["approval"] == "pending"


async def test_a_skill_that_is_given_while_it_is_taken_away_is_given_or_gone(board, admin):
    for number in range(6):
        made = await wrote(board, slug=f"skill-{number}")
        agent = await board.agent_id("engineer")
        given, gone = await asyncio.gather(
            board.person.put(f"/api/v1/agents/{agent}/skills", json={"skills": [made["slug"]]}),
            board.person.delete(f"{SKILLS}/{made['id']}"),
        )
        assert (given.status_code in {200, 404}, gone.status_code) == (True, 204)
    assert await admin.fetchval(
        "SELECT count(*) FROM agent_skills x JOIN agents a ON a.id = x.agent_id WHERE a.slug = 'engineer'"
    ) in {0, 2}


BAD: list[tuple[dict[str, Any], int, str | None]] = [
    ({"slug": "../up"}, 422, "slug"),
    ({"slug": "Up"}, 422, "slug"),
    ({"slug": "a\x00"}, 422, "slug"),
    ({"slug": "x" * 64}, 422, "slug"),
    ({"name": " "}, 422, "name"),
    ({"content": " \n"}, 422, "content"),
    ({"content": "a\x00"}, 422, "content"),
    ({"approved_version": 1}, 422, "approved_version"),
    ({"content": "ä" * (SKILL_MOST_BYTES // 2) + "x"}, 413, None),
]


async def test_what_is_no_skill_is_refused_and_only_admins_manage(board, admin):
    for body, status, field in BAD:
        error = (await wrote(board, status=status, **body))["error"]
        assert field is None or error["details"]["fields"][0]["field"] == field, body
    most = await wrote(board, content="ä" * (SKILL_MOST_BYTES // 2))
    assert most["size"] == SKILL_MOST_BYTES
    at = f"{SKILLS}/{most['id']}"
    assert (await board.person.patch(at, json={"content": most["content"] + "x"})).status_code == 413
    page = (await board.person.get(SKILLS, params={"limit": 2})).json()
    rest = (await board.person.get(SKILLS, params={"cursor": page["next_cursor"]})).json()
    slugs = [one["slug"] for one in page["items"] + rest["items"]]
    assert (slugs, page["limit"]) == (sorted(slugs), 2)
    assert "tidy" in slugs
    member, viewer = [await desk.person(board, admin, role) for role in ("member", "viewer")]
    for name in (member, "engineer"):
        await wrote(board, name, 403, slug="other")
        assert (await board.as_(name).post(f"{at}/approve", json={"version": 1})).status_code == 403
    assert (await board.as_(viewer).get(at)).status_code == 200


async def test_what_another_account_has_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        hidden = await wrote(theirs)
        at, agent = f"{SKILLS}/{hidden['id']}", await theirs.agent_id("engineer")
        answers = [
            await mine.person.get(at),
            await mine.person.patch(at, json={"name": "Mine"}),
            await mine.person.post(f"{at}/approve", json={"version": 1}),
            await mine.person.delete(at),
            await mine.person.get(f"/api/v1/agents/{agent}/skills"),
            await mine.person.put(f"/api/v1/agents/{agent}/skills", json={"skills": []}),
        ]
        assert [answer.status_code for answer in answers] == [404] * 6
        assert (await gives(mine, "engineer", "tidy", status=404))["error"]["code"] == "not_found"
        assert (await theirs.person.get(at)).json() == hidden


SPOILT: list[dict[str, Any]] = [{"skills": ["../up"]}, {"skills": "tidy"}, {"skills": ["x"] * 101}, {}]


async def test_bad_lists_of_skills_are_refused(board):
    path = f"/api/v1/agents/{await board.agent_id('engineer')}/skills"
    for spoilt in SPOILT:
        assert (await board.person.put(path, json=spoilt)).status_code == 422, spoilt
