"""Runs of several rounds: tools that agents call between what they are asked and what they say."""

from uuid import uuid4

import msgspec

from tests import gateways, make
from tests.gateways import NO_REPLY, NOTHING, calls, finds, hurry, refuses, says, settled, thread

MADE = "SELECT * FROM delivery_calls ORDER BY notification_id, ask, round, index"
MENTION = "SELECT * FROM notifications WHERE type = 'mention'"
OPEN = """INSERT INTO runtime_breakers (account_id, dependency, state, failures, first_failure_at, opened_at, retry_at, version,
        updated_at)
    SELECT id, $1, 'open', 5, now(), now(), now() + interval '1 h', 1, now() FROM accounts
    ON CONFLICT (account_id, dependency) DO UPDATE SET state = 'open', retry_at = excluded.retry_at"""
SHORT = """INSERT INTO runtime_profiles (account_id, name, version, changes, reason, changed_by_kind, created_at)
    SELECT id, 'delivery', 1, '{"timeout": 6}', 'drill', 'system', now() FROM accounts"""
SECOND = """INSERT INTO executor_profiles (account_id, id, name, adapter, url, settings, created_at, updated_at)
    SELECT account_id, $1, 'second', 'responses', $2, '{}', now(), now() FROM executor_profiles"""


async def alone(board):
    """Nobody else is woken by what the engineer says."""
    assert (await board.person.patch("/api/v1/account", json={"orchestrator_agent_id": None})).status_code == 200


def outputs(asked):
    """What a request says of the calls before it."""
    items = asked.decoded["input"]
    return [msgspec.json.decode(item["output"]) for item in items if item["type"] == "function_call_output"]


async def test_an_agent_reads_and_acts_in_rounds_and_says_in_the_end_what_it_did(board, gateway, worker, admin):
    await alone(board)
    task = await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    gateway.script = [
        calls(("task_load", {"task_id": task["id"]}), text="Let me look."),
        calls(("task_status", {"task_id": task["id"], "status": "in_progress"}), ("memory_list", {"scope": "agent"})),
        says("I have begun."),
    ]
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "@engineer please go on."})
    await settled(admin)
    told = await admin.fetchrow(MENTION)
    first, second, third = [asked for asked in gateway.of("engineer") if asked.key.startswith(str(told["id"]))]
    assert [asked.key for asked in (first, second, third)] == [str(told["id"]), f"{told['id']}:t1", f"{told['id']}:t2"]
    assert {tool["name"] for tool in first.decoded["tools"]} >= {"task_status", "task_load", "response_request"}
    (loaded,) = outputs(second)
    assert loaded["task"]["id"] == task["id"]
    assert "session_key" not in loaded
    moved, _ = outputs(third)
    assert moved["status"] == "in_progress"
    assert [message["content"] for message in await thread(board, task["id"])] == ["@engineer please go on.", "I have begun."]
    made = await admin.fetch(MADE)
    assert [(row["round"], row["index"], row["name"], row["status"]) for row in made] == [
        (0, 0, "task_load", 200),
        (1, 0, "task_status", 200),
        (1, 1, "memory_list", 200),
    ]
    assert (told["state"], told["taken_at"] is None) == ("delivered", False)
    assert await admin.fetchval("SELECT outcome FROM deliveries WHERE notification_id = $1", told["id"]) == "replied"
    held = await admin.fetchrow("SELECT a.slug FROM tasks t JOIN agents a ON a.id = t.lease_agent_id WHERE t.id = $1", task["id"])
    assert held["slug"] == "engineer"


async def test_what_cannot_be_called_is_answered_with_why(board, gateway, worker, admin):
    everything = [
        ("task_status", {"status": "in_progress"}),
        ("task_fly", {}),
        ("task_load", "{"),
        ("task_load", "[1]"),
        ("task_load", {"task_id": 7}),
        ("task_load", {"task_id": str(uuid4())}),
        ("task-why", ""),
    ]
    gateway.script = [calls(*everything), NOTHING]
    await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    first, second = gateway.asked
    assert not {"task_status", "task_claim", "task_create", "document"} & {tool["name"] for tool in first.decoded["tools"]}
    errors = [output["error"] for output in outputs(second)]
    assert [error["code"] for error in errors] == [
        *("forbidden", "not_found", "malformed_request", "validation_failed", "validation_failed", "not_found"),
        "validation_failed",
    ]
    assert errors[0]["details"]["reason"] == "not_offered"
    assert [row["status"] for row in await admin.fetch(MADE)] == [403, 404, 400, 422, 422, 404, 422]
    told = await admin.fetchrow("SELECT * FROM notifications WHERE type = 'assignment'")
    # Tools were called, so that saying nothing afterwards is no silence.
    assert told["state"] == "delivered"
    assert await admin.fetchval("SELECT outcome FROM deliveries") == "acted"
    assert await admin.fetchval("SELECT count(*) FROM messages") == 0


async def test_an_agent_that_calls_for_ever_is_stopped_at_the_bound(board, gateway, admin):
    await alone(board)
    most = {"value": 2, "reason": "drill"}
    assert (await board.person.put("/api/v1/admin/runtime/settings/delivery.rounds", json=most)).status_code == 200
    gateway.answering = lambda _: calls(("get_agent_skills", {}), text="Once more.")
    task = await board.task(assignee_slugs=["engineer"])
    async with gateways.working(board.settings):
        await settled(admin)
    assert len(gateway.of("engineer")) == 3
    assert [message["content"] for message in await thread(board, task["id"])][:1] == ["Once more."]
    made = await admin.fetch(MADE)
    assert [row["status"] for row in made[:3]] == [200, 200, 403]
    assert "rounds_exhausted" in made[2]["result"]
    told = await admin.fetch("SELECT payload FROM events WHERE type = 'delivery:rounds:exhausted' ORDER BY seq")
    assert msgspec.json.decode(told[0]["payload"]) == {"ask": 0, "round": 2, "calls": 1, "most": 2}


async def failing_over(board, admin, other):
    await alone(board)
    await admin.execute(SECOND, uuid4(), other.url)
    await admin.execute("UPDATE executor_profiles SET failover = '{second}' WHERE name = 'default'")
    return await board.task(assignee_slugs=["engineer"])


async def test_where_a_profile_fails_or_its_breaker_is_open_the_next_one_answers(board, gateway, worker, admin):
    gateway.script = [refuses(429)]
    async with gateways.opened(lambda _: says("From elsewhere.")) as other:
        task = await failing_over(board, admin, other)
        await settled(admin)
        (asked,), (elsewhere,) = gateway.asked, other.asked
        await admin.execute(OPEN, gateway.url)
        await board.task(title="While the breaker is open", assignee_slugs=["engineer"])
        await make.until(lambda: admin.fetchval("SELECT count(*) = 2 FROM notifications WHERE state = 'delivered'"))
    assert elsewhere.key == f"{asked.key}:f1"
    assert [message["content"] for message in await thread(board, task["id"])] == ["From elsewhere."]
    made = await admin.fetchrow("SELECT * FROM delivery_rounds ORDER BY sent_at LIMIT 1")
    assert (made["profile"], made["sends"], made["request"]) == ("second", 2, elsewhere.body)
    told = await admin.fetch("SELECT payload FROM events WHERE type = 'delivery:round:failed_over' ORDER BY seq")
    about = {"from": "default", "to": "second", "ask": 0, "round": 0}
    assert [msgspec.json.decode(row["payload"]) for row in told] == [
        about | {"reason": "rate_limited"},
        about | {"reason": "circuit_open"},
    ]
    assert (len(gateway.asked), len(other.asked)) == (1, 2)
    assert await admin.fetchval("SELECT max(attempt) FROM runtime_commands WHERE type = 'delivery.send'") == 1
    assert await admin.fetchval("SELECT count(*) FROM usage_records") == 2


async def test_while_all_profiles_are_away_it_waits_and_the_first_that_is_there_again_answers_the_whole_run(
    board, gateway, admin
):
    gateway.script = [calls(("get_agent_skills", {}))]
    gateway.answering = lambda asked: refuses(503) if ":t1" in asked.key else says("Finished.")
    async with gateways.opened(lambda _: refuses(503)) as other, gateways.working(board.settings):
        task = await failing_over(board, admin, other)

        async def both_failed():
            await hurry(admin)
            return len(other.asked) > 1 and len(gateway.asked) > 3

        await make.until(both_failed)
        gateway.answering = lambda _: says("Finished.")
        await settled(admin)
        # The other profile had no part in the first round, so it was told all of it.
        assert [item["type"] for item in other.asked[0].decoded["input"]] == [
            *("message", "function_call", "function_call_output"),
        ]
        bodies: dict[str, bytes] = {}
        for asked in (*gateway.asked, *other.asked):
            assert bodies.setdefault(asked.key, asked.body) == asked.body
    assert [message["content"] for message in await thread(board, task["id"])] == ["Finished."]
    assert await admin.fetchval("SELECT count(*) FROM delivery_calls") == 1
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0


async def test_where_no_tools_are_offered_none_are_called(board, gateway, worker, admin):
    await admin.execute("""UPDATE executor_profiles SET settings = '{"tools": false}'""")
    gateway.script = [calls(("task_load", {}), text="Just words.")]
    task = await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    assert "tools" not in gateway.asked[0].decoded
    assert [message["content"] for message in await thread(board, task["id"])] == ["Just words."]
    assert await admin.fetchval("SELECT count(*) FROM delivery_calls") == 0


async def test_a_run_whose_attempt_has_too_little_time_left_goes_on_in_another(board, gateway, admin):
    await alone(board)
    await admin.execute(SHORT)
    gateway.script = [calls(("get_agent_skills", {})), calls(("get_agent_skills", {})), says("Done.")]
    task = await board.task(assignee_slugs=["engineer"])
    async with gateways.working(board.settings):
        await settled(admin)
    assert [asked.key.partition(":")[2] for asked in gateway.asked] == ["", "t1", "t2"]
    assert [message["content"] for message in await thread(board, task["id"])] == ["Done."]
    sent = await admin.fetchrow("SELECT attempt, waited FROM runtime_commands WHERE type = 'delivery.send'")
    assert tuple(sent) == (3, 2)


async def waits_for_budget(board):
    found = (await board.person.get("/api/v1/deliveries", params={"state": "queued"})).json()["items"]
    return [one["reason"] for one in found] == ["budget_exhausted"]


async def test_a_run_without_budget_says_so_until_it_is_delivered_for_its_own_reason(board, gateway, worker, admin):
    budget = (await board.person.post("/api/v1/budgets", json={"unit": "runs", "amount": "1", "period": "day"})).json()
    await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    await board.task(title="One too many", assignee_slugs=["engineer"])
    await make.until(lambda: waits_for_budget(board))
    await make.until(finds(admin, "state = 'retry_scheduled' AND attempt = waited", table="runtime_commands"))
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND taken_at IS NULL") == 1
    assert len(gateway.asked) == 1
    await board.person.patch(f"/api/v1/budgets/{budget['id']}", json={"amount": "5"})
    await hurry(admin)
    await make.until(lambda: admin.fetchval("SELECT count(*) = 2 FROM notifications WHERE state = 'delivered'"))
    # The same between two rounds, where what was decided stays.
    other = (await board.person.post("/api/v1/budgets", json={"unit": "tokens", "amount": "10", "period": "day"})).json()
    gateway.script = [calls(("get_agent_skills", {})), NO_REPLY]
    await board.task(title="Two rounds", assignee_slugs=["engineer"])
    await make.until(lambda: waits_for_budget(board))
    assert len(gateway.asked) == 3
    await board.person.patch(f"/api/v1/budgets/{other['id']}", json={"amount": "50"})
    await hurry(admin)
    await make.until(lambda: admin.fetchval("SELECT count(*) = 3 FROM notifications WHERE state = 'delivered'"))
    told = await admin.fetch("SELECT state, reason FROM notifications WHERE type = 'assignment'")
    assert [tuple(row) for row in told] == [("delivered", "assigned")] * 3
