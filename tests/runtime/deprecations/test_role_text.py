"""Reviewers by role text: counted where it decided, and off where it is taken away."""

import pytest

from app.kernel import db
from tests import boards
from tests.kernel.test_sql import Counted
from tests.policies.desk import CLOSED, account, close, flags, in_review
from tests.runtime.deprecations.desk import remove, uses

NAME = "reviewer_by_role_text"


@pytest.fixture
async def tester(board) -> str:
    """An agent that reviews by nothing but its role text."""
    await flags(board, "reviewer", is_reviewer=False)
    return await of_role(board, "Quality assurance")


async def of_role(board, role: str) -> str:
    made = await board.person.post("/api/v1/agents", json={"slug": "tester", "name": "Tester", "role": role})
    assert made.status_code == 201, made.text
    token = await board.person.post("/api/v1/tokens", json={"agent_slug": "tester", "name": "t"})
    if token.status_code != 201:
        pytest.fail(token.text)
    board.tokens["tester"] = token.json()["token"]
    return "tester"


async def test_closing_by_role_text_is_counted(board, tester):
    assert await close(board, tester, await in_review(board)) == CLOSED
    assert await uses(board, NAME) == 1
    # Who is refused because somebody else reviews by role text is refused by it too.
    assert (await close(board, "orchestrator", await in_review(board)))[1] == "reviewer_required"
    assert await uses(board, NAME) == 2


async def test_what_the_role_text_did_not_decide_is_not_counted(board, tester):
    await flags(board, tester, is_reviewer=True)
    assert await close(board, tester, await in_review(board)) == CLOSED
    assert (await close(board, "engineer", await in_review(board)))[0] == 403
    assert (await board.person.post(f"/api/v1/tasks/{(await in_review(board))['id']}/status", json={"status": "done"})).is_success
    await flags(board, tester, is_reviewer=None)
    await account(board, legacy_reviewer_fallback=False)
    assert (await close(board, tester, await in_review(board)))[1] == "orchestrator_required"
    assert await uses(board, NAME) == 0


async def test_taken_away_it_decides_nothing_whatever_the_account_has_set(board, tester):
    path = f"/api/v1/agents/{await board.agent_id(tester)}/effective-policy"
    assert (await board.person.get(path)).json()["flags"]["is_reviewer"] == {"value": True, "source": "legacy"}
    await remove(board, NAME)
    assert (await board.person.get(path)).json()["flags"]["is_reviewer"] == {"value": False, "source": "default"}
    assert (await board.person.get("/api/v1/account")).json()["legacy_reviewer_fallback"] is True
    assert (await close(board, tester, await in_review(board)))[1] == "orchestrator_required"
    assert await close(board, "orchestrator", await in_review(board)) == CLOSED
    assert await uses(board, NAME) == 0


async def test_counting_costs_a_call_no_round_trip(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        await flags(board, "reviewer", is_reviewer=False)
        tester = await of_role(board, "Quality assurance")
        sent = []
        for _ in range(2):
            task = await in_review(board)
            Counted.begin()
            assert await close(board, tester, task) == CLOSED
            sent = [query for query in Counted.sent if "find_token" not in query]
        assert len(sent) <= 5
        assert not [query for query in sent if "runtime_deprecation_uses" in query]
        assert await uses(board, NAME) == 2
