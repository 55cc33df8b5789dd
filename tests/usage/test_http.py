"""Budgets and usage over REST: who may, what is refused, and what is shown."""

from typing import Any
from uuid import UUID, uuid4

from tests import boards, make
from tests.usage.desk import Desk

BUDGETS = "/api/v1/budgets"
PLAIN: dict[str, Any] = {"unit": "usd", "period": "day", "amount": "0.50"}


async def made(board, **fields: Any) -> dict[str, Any]:
    answer = await board.person.post(BUDGETS, json=PLAIN | fields)
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = answer.json()
    return view


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_budget_is_made_shown_changed_and_taken_away(board, admin):
    task = await board.task()
    whole, of_agent = await made(board), await made(board, agent_slug="engineer", unit="runs", amount=3)
    of_task = await made(board, task_id=task["id"], unit="tokens", amount="1000", period="none", estimate="400", soft_percent=50)
    assert (whole["amount"], whole["spent"], whole["left"], whole["percent"]) == ("0.500000", "0.000000", "0.500000", 0)
    assert (whole["state"], whole["estimate"], whole["scope"], whole["resets_at"][11:]) == ("open", None, "account", "00:00:00Z")
    assert (of_agent["agent_slug"], of_agent["estimate"], of_agent["amount"]) == ("engineer", "1", "3.000000")
    assert (of_task["task_id"], of_task["resets_at"], of_task["estimate_least"]) == (task["id"], None, "400.000000")
    page = (await board.person.get(BUDGETS, params={"limit": 2})).json()
    assert [one["id"] for one in page["items"]] == [whole["id"], of_agent["id"]]
    rest = (await board.person.get(BUDGETS, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([of_task["id"]], None)
    for params, found in (
        ({"scope": "task"}, [of_task]),
        ({"agent_slug": "engineer"}, [of_agent]),
        ({"task_id": task["id"]}, [of_task]),
        ({"agent_slug": "nobody"}, []),
    ):
        items = (await board.person.get(BUDGETS, params=params)).json()["items"]
        assert [one["id"] for one in items] == [one["id"] for one in found], params
    at = f"{BUDGETS}/{whole['id']}"
    assert refusal(await board.person.patch(at, json={"amount": "2", "expected_version": 9})) == (409, "version_conflict")
    edited = (await board.person.patch(at, json={"amount": "2", "expected_version": 1, "estimate": "0.1"})).json()
    assert (edited["amount"], edited["version"], edited["estimate"]) == ("2.000000", 2, "0.100000")
    assert (await board.person.patch(at, json={"amount": 2})).json()["version"] == 2
    assert (await board.person.patch(at, json={"estimate": None})).json()["estimate_least"] is None
    assert (await board.person.delete(at)).status_code == 204
    assert refusal(await board.person.delete(at)) == (404, "not_found")
    assert refusal(await board.person.get(at)) == (404, "not_found")
    assert (await made(board))["id"] != whole["id"]
    kinds = [row["type"] for row in await admin.fetch("SELECT type FROM events WHERE entity_kind = 'budget' ORDER BY seq")]
    assert [kind.rpartition(":")[2] for kind in kinds] == [*["created"] * 3, "changed", "changed", "removed", "created"]


async def test_what_is_no_budget_is_refused_and_nothing_is_written(board, urls, admin):
    async with boards.opened(urls[1], account_slug="other") as other:
        foreign = (await other.task())["id"]
        theirs = await made(other)
        await other.person.post("/api/v1/agents", json={"slug": "only-there", "name": "X", "role": "r"})
        cases: list[tuple[dict[str, Any], int, str]] = [
            *(
                ({"amount": amount}, 422, "amount")
                for amount in ("-1", -0.5, "NaN", "Infinity", "1e30", "0.1234567", "much", None)
            ),
            ({"amount": True}, 422, "amount"),
            ({"unit": "runs", "amount": "1.5"}, 422, "amount"),
            ({"estimate": "0"}, 422, "estimate"),
            ({"estimate": "-1"}, 422, "estimate"),
            ({"unit": "euro"}, 422, "unit"),
            ({"period": "year"}, 422, "period"),
            ({"soft_percent": 0}, 422, "soft_percent"),
            ({"soft_percent": 101}, 422, "soft_percent"),
            ({"task_id": foreign, "agent_slug": "engineer"}, 422, "task_id"),
            ({"account_id": str(uuid4())}, 422, "account_id"),
            ({"task_id": foreign}, 404, "task"),
            ({"task_id": str(uuid4())}, 404, "task"),
            ({"agent_slug": "only-there"}, 404, "agent"),
        ]
        for fields, status, about in cases:
            answer = await board.person.post(BUDGETS, json=PLAIN | fields)
            assert (answer.status_code, about in answer.text) == (status, True), (fields, answer.text)
        for verb, body in (("GET", None), ("PATCH", {"amount": "9"}), ("DELETE", None)):
            answer = await board.person.request(verb, f"{BUDGETS}/{theirs['id']}", json=body)
            assert refusal(answer) == (404, "not_found")
        assert refusal(await board.person.get(f"{BUDGETS}/nonsense")) == (404, "not_found")
        assert (await other.person.get(f"{BUDGETS}/{theirs['id']}")).json()["amount"] == "0.500000"
    huge = await board.person.post(BUDGETS, content=b'{"unit":"usd","period":"day","amount":' + b"9" * 5000 + b"}")
    assert huge.status_code == 422
    mine = await made(board)
    assert refusal(await board.person.post(BUDGETS, json=PLAIN)) == (409, "duplicate")
    edits: list[dict[str, Any]] = [{"amount": "-1"}, {"unit": "runs"}, {"expected_version": 0}, {"soft_percent": None}]
    for edit in edits:
        assert (await board.person.patch(f"{BUDGETS}/{mine['id']}", json=edit)).status_code == 422, edit
    assert await admin.fetchval("SELECT count(*) FROM budgets WHERE account_id = $1", board.account_id) == 1


async def test_members_read_admins_manage_and_agents_do_neither(board, admin):
    mine = await made(board)
    at = f"{BUDGETS}/{mine['id']}"
    agent = board.as_("engineer")
    assert [(await agent.get(path)).status_code for path in (BUDGETS, "/api/v1/usage", "/api/v1/usage/records")] == [403] * 3
    await admin.execute("UPDATE people SET role = 'member'")
    board.database.wakes.send("identity", "*")
    seen = [await board.person.get(path) for path in (BUDGETS, at, "/api/v1/usage", "/api/v1/usage/records")]
    assert [answer.status_code for answer in seen] == [200] * 4

    async def is_demoted() -> bool:
        return bool((await board.person.post(BUDGETS, json=PLAIN | {"period": "hour"})).status_code == 403)

    await make.until(is_demoted)
    refused = [
        await board.person.patch(at, json={"amount": "9"}),
        await board.person.delete(at),
        await board.client(None).get(BUDGETS),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 401]


async def used(board) -> tuple[str, str]:
    """Three answers of two agents, one of them on a task."""
    desk, task = Desk(board.database, board.account_id), (await board.task())["id"]
    first, second = await board.agent_id("engineer"), await board.agent_id("writer")
    one, other = desk.run(agent_id=UUID(first), task_id=UUID(task)), desk.run(agent_id=UUID(second))
    await desk.spend(one, "0.10", model="model-a")
    await desk.spend(one, None, round_=1, model="model-b", input_tokens=0, output_tokens=0)
    await desk.spend(other, "0.25", profile="second", seconds=2.5)
    return first, task


async def test_usage_is_summed_by_what_is_asked_and_paged(board):
    agent, task = await used(board)
    by_agent = (await board.person.get("/api/v1/usage")).json()
    assert by_agent["total"] == {
        "runs": 2,
        "answers": 3,
        "input_tokens": 20,
        "output_tokens": 10,
        "cost_usd": "0.350000",
        "answers_without_cost": 1,
        "seconds": 4.5,
    }
    line = next(one for one in by_agent["items"] if one["key"] == agent)
    assert (line["name"], line["runs"], line["answers"], line["cost_usd"]) == ("engineer", 1, 2, "0.100000")
    keys = {
        "agent": 2,
        "task": {"", task},
        "day": 1,
        "profile": {"default", "second"},
        "model": {"", "model-a", "model-b"},
    }
    for by, expected in keys.items():
        found, cursor = [], None
        while True:
            params = {"by": by, "limit": 1} | ({"cursor": cursor} if cursor else {})
            page = (await board.person.get("/api/v1/usage", params=params)).json()
            found += [one["key"] for one in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert len(found) == len(set(found))
        assert len(found) == expected if isinstance(expected, int) else set(found) == expected, by
    page = (await board.person.get("/api/v1/usage/records", params={"limit": 2})).json()
    rest = (await board.person.get("/api/v1/usage/records", params={"cursor": page["next_cursor"]})).json()
    assert [one["cost_usd"] for one in page["items"] + rest["items"]] == ["0.250000", None, "0.100000"]
    for name, value, many in (("agent_id", agent, 2), ("task_id", task, 2), ("task_id", str(uuid4()), 0)):
        assert len((await board.person.get("/api/v1/usage/records", params={name: value})).json()["items"]) == many


async def test_what_cannot_be_asked_is_refused(board):
    for asked in (
        "usage?by=weather",
        "usage?by=day&cursor=day:soon",
        "usage?by=day&cursor=model:x",
        "usage?by=agent&cursor=agent:x",
        "usage?since=yesterday",
        "usage?since=2031-01-02T00:00:00Z&until=2031-01-01T00:00:00Z",
        "usage?since=2001-01-02T00:00:00Z&until=2031-01-01T00:00:00Z",
        "usage?since=0001-01-01T00:00:00Z",
        "usage/records?cursor=x",
        "usage/records?agent_id=x",
        "budgets?scope=world",
        "budgets?cursor=x",
    ):
        answer = await board.person.get(f"/api/v1/{asked}")
        assert answer.status_code == 422, (asked, answer.text)
