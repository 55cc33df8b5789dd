"""Who may not ask agents for an answer, and what is no such request."""

from typing import Any

from tests import boards
from tests.boards import OWNER
from tests.messages.asking import ask, outcome, requests
from tests.policies import desk


async def test_who_may_ask(board, admin):
    task = await board.task(assignee_slugs=["engineer"])

    async def refused(who: str) -> tuple[int, str]:
        answer = await ask(board, who, task, "reviewer")
        return answer.status_code, answer.json()["error"]["details"]["reason"]

    assert await refused("writer") == (403, "not_assigned")
    await desk.flags(board, "engineer", can_mention_agents=False)
    assert await refused("engineer") == (403, "capability_denied")
    assert await refused(await desk.person(board, admin, "viewer")) == (403, "role_denied")
    assert await requests(admin) == []
    # No lease is needed, and the orchestrator asks everywhere.
    assert await outcome(board, "orchestrator", task, "engineer") == (["engineer"], {})
    assert await outcome(board, await desk.person(board, admin, "member"), task, "engineer") == (["engineer"], {})


BAD: list[tuple[dict[str, Any], str]] = [
    ({"recipient_slugs": []}, "recipient_slugs"),
    ({"recipient_slugs": ["writer"] * 11}, "recipient_slugs"),
    ({"recipient_slugs": ["nobody"]}, "recipient_slugs"),
    ({"recipient_slugs": ["writer", "owner"]}, "recipient_slugs"),
    ({"recipient_slugs": ["@"]}, "recipient_slugs"),
    ({"recipient_slugs": [""]}, "recipient_slugs[0]"),
    ({"recipient_slugs": ["x" * 65]}, "recipient_slugs[0]"),
    ({"recipient_slugs": ["wri\x00ter"]}, "recipient_slugs[0]"),
    ({"recipient_slugs": "writer"}, "recipient_slugs"),
    ({"message": ""}, "message"),
    ({"message": " \n\t"}, "message"),
    ({"message": "x" * 1001}, "message"),
    ({"message": "a\x00b"}, "message"),
    ({"message": None}, "message"),
    ({"actor_id": "1"}, "actor_id"),
]


async def test_bad_requests_are_refused_with_their_field(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    for fields, field in BAD:
        for who in ("engineer", OWNER):
            answer = await ask(board, who, task, "writer", **fields)
            assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, field), fields
    assert await requests(admin) == []


async def test_nobody_asks_themselves_nor_a_retired_agent(board, admin):
    # One that retires stays among the assignees.
    task = await board.task(assignee_slugs=["engineer", "writer"])
    answer = await board.person.patch(f"/api/v1/agents/{await board.agent_id('writer')}", json={"retired": True})
    assert answer.status_code == 200, answer.text
    for slugs in (("reviewer", "Engineer"), ("writer",)):
        answer = await ask(board, "engineer", task, *slugs)
        assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, "recipient_slugs")
    assert await requests(admin) == []


async def test_a_task_or_agent_of_another_account_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        task, foreign = await mine.task(assignee_slugs=["engineer"]), await theirs.task()
        answer = await theirs.person.post("/api/v1/agents", json={"slug": "stranger", "name": "S", "role": "R"})
        assert answer.status_code == 201
        absent = {"id": "00000000-0000-7000-8000-000000000000"}
        for who in ("orchestrator", OWNER):
            seen, unseen = [await ask(mine, who, one, "writer") for one in (foreign, absent)]
            assert (seen.status_code, unseen.status_code) == (404, 404)
            assert seen.json()["error"]["message"].replace(foreign["id"], absent["id"]) == unseen.json()["error"]["message"]
            answer = await ask(mine, who, task, "stranger")
            assert (answer.status_code, answer.json()["error"]["message"]) == (
                422,
                "recipient_slugs: no active agent is called stranger",
            )
