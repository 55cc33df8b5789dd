import asyncio
import hashlib

import msgspec
import pytest

from app.delivery import render
from tests import boards, gateways, make
from tests.gateways import NO_REPLY, NOTHING, finds, refuses, says, settled, thread

TOKEN = "gateway-token-of-the-environment"


async def say(board, task, content="Please look at this."):
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": content})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_new_task_wakes_the_orchestrator_and_its_words_stand_in_the_thread_once(board, gateway, worker, admin):
    gateway.script = [says("I will find somebody.")]
    task = await board.task(title="Repair the lamp", description="It flickers.")
    await settled(admin)
    (asked,) = gateway.asked
    assert asked.path == "/v1/responses"
    assert asked.decoded["model"] == "openclaw:orchestrator"
    assert asked.decoded["stream"] is False
    assert "Repair the lamp" in asked.decoded["input"]
    assert "It flickers." in asked.decoded["input"]
    assert 'agent "orchestrator"' in asked.decoded["instructions"]
    told = await admin.fetchrow("SELECT * FROM notifications WHERE recipient_kind = 'agent'")
    assert (told["type"], told["state"], told["reason"]) == ("status_change", "delivered", "status_changed")
    assert told["ended_at"] is not None
    (said,) = await admin.fetch("SELECT * FROM messages")
    assert (said["content"], said["author_kind"], said["author_id"]) == ("I will find somebody.", "agent", told["recipient_id"])
    assert (said["source_notification_id"], said["depth"]) == (told["id"], 1)
    assert [message["content"] for message in await thread(board, task["id"])] == ["I will find somebody."]


async def test_each_request_says_whose_turn_it_is_and_which(board, gateway, worker, admin):
    task = await board.task()
    await settled(admin)
    # The gateway knows it by another name, since another account's agent had this one before.
    await admin.execute(
        "INSERT INTO agent_workspaces (account_id, agent_id, state, path, files, gateway_id)"
        " SELECT account_id, id, 'synced', '/nowhere', 0, 'demo-orchestrator' FROM agents WHERE slug = 'orchestrator'"
    )
    await say(board, task)
    await settled(admin)
    first, second = gateway.asked
    assert (second.agent, second.decoded["model"]) == ("demo-orchestrator", "openclaw:demo-orchestrator")
    keys = await admin.fetch("SELECT id FROM notifications WHERE recipient_kind = 'agent' ORDER BY id")
    assert [first.key, second.key] == [str(row["id"]) for row in keys]
    assert [first.lane[0], second.lane[0]] == [1, 2]
    assert first.lane[1] < second.lane[1]
    session = await admin.fetchrow("SELECT key FROM agent_sessions WHERE task_id = $1", task["id"])
    assert {first.session, second.session} == {first.decoded["user"], second.decoded["user"]} == {session["key"]}
    assert (first.agent, first.headers["content-type"]) == ("orchestrator", "application/json")
    correlations = await admin.fetch("SELECT correlation_id, request_id FROM runtime_commands ORDER BY lane_seq")
    assert [asked.headers["x-request-id"] for asked in (first, second)] == [row["request_id"] for row in correlations]
    assert session["key"] not in first.decoded["input"] + first.decoded["instructions"]


@pytest.mark.parametrize("sentinel", ["NO_REPLY", "HEARTBEAT_OK"])
async def test_a_sentinel_is_an_answer_that_says_nothing(board, gateway, worker, admin, sentinel):
    gateway.script = [says(sentinel)]
    await board.task()
    await settled(admin)
    assert await admin.fetchval("SELECT state FROM notifications") == "delivered"
    assert await admin.fetchval("SELECT count(*) FROM messages") == 0
    assert len(gateway.asked) == 1


async def test_silence_about_an_assignment_is_asked_again_twice_and_then_told(board, gateway, worker, admin):
    gateway.answering = lambda asked: NOTHING
    await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications WHERE recipient_kind = 'agent'")
    assert (told["type"], told["state"]) == ("assignment", "no_response")
    assert [asked.key for asked in gateway.asked] == [str(told["id"]), f"{told['id']}:1", f"{told['id']}:2"]
    assert len({asked.body for asked in gateway.asked}) == 1
    assert await admin.fetchval("SELECT state FROM runtime_commands") == "succeeded"
    assert await admin.fetchval("SELECT count(*) FROM messages") == 0


async def test_an_answer_after_silence_is_posted(board, gateway, worker, admin):
    gateway.script = [NOTHING, says("Here I am.")]
    task = await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    assert await admin.fetchval("SELECT state FROM notifications") == "delivered"
    assert [message["content"] for message in await thread(board, task["id"])] == ["Here I am."]


async def test_silence_about_what_wants_no_answer_is_delivered_at_once(board, gateway, worker, admin):
    gateway.script = [NOTHING]
    await board.task()
    await settled(admin)
    assert await admin.fetchval("SELECT state FROM notifications") == "delivered"
    assert len(gateway.asked) == 1


async def test_pull_agents_wait_for_next_and_get_no_command(urls, gateway, admin):
    async with boards.in_own_task(lambda: boards.opened(urls[1])) as pulling:
        await pulling.task(assignee_slugs=["engineer"])
    told = await admin.fetchrow("SELECT * FROM notifications")
    assert (told["state"], told["command_id"], told["reason"]) == ("queued", None, "assigned")
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands") == 0


async def test_what_wakes_nobody_ends_with_its_reason_and_no_command(board, gateway, admin):
    task = await board.task(assignee_slugs=["engineer"])
    done = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "blocked", "blocked_reason": "No key."})
    assert done.status_code == 200, done.text
    told = await admin.fetchrow("SELECT * FROM notifications WHERE type = 'status_change'")
    assert (told["state"], told["reason"], told["command_id"]) == ("skipped", "task_blocked", None)
    assert told["ended_at"] is not None


async def test_what_became_needless_before_its_turn_is_skipped_unsent(board, gateway, admin):
    task = await board.task(assignee_slugs=["engineer"])
    archived = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "archived"})
    assert archived.status_code == 200, archived.text
    async with gateways.working(board.settings):
        await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications WHERE type = 'assignment'")
    assert (told["state"], told["reason"]) == ("skipped", "task_archived")
    assert gateway.asked == []


async def test_people_are_told_and_nothing_is_sent_for_them(board, gateway, worker, admin):
    gateway.script = [says("Done with @owner in mind.")]
    await board.task(assignee_slugs=["engineer"])
    await settled(admin)
    told = await admin.fetchrow("SELECT * FROM notifications WHERE recipient_kind = 'person'")
    assert (told["type"], told["state"], told["command_id"]) == ("mention", "queued", None)
    assert len(gateway.of("engineer")) == 1
    keys = {row["id"] for row in await admin.fetch("SELECT id FROM notifications WHERE recipient_kind = 'agent'")}
    assert {asked.key for asked in gateway.asked} == {str(key) for key in keys}


@pytest.mark.parametrize("goal", ["in_progress", "done"])
async def test_a_reviewers_words_are_posted_though_the_task_left_review_while_it_thought(board, gateway, worker, admin, goal):
    moved = asyncio.Event()
    gateway.answering = lambda asked: says("My verdict.", once=moved) if asked.agent == "reviewer" else NO_REPLY
    task = await board.task(assignee_slugs=["engineer"])
    review = {"task_id": task["id"], "status": "review", "fence": await board.claim("engineer", task["id"])}
    assert (await board.as_("engineer").post("/agent/task-status", json=review)).status_code == 200
    await make.until(lambda: asyncio.sleep(0, gateway.of("reviewer")))
    answer = await board.as_("reviewer").post(
        "/agent/task-status", json={"task_id": task["id"], "status": goal, "reason": "Why."}
    )
    assert answer.status_code == 200, answer.text
    moved.set()
    await settled(admin)
    assert [message["content"] for message in await thread(board, task["id"])] == ["My verdict."]
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0


async def test_what_was_sent_is_frozen_and_sent_again_byte_for_byte(board, gateway, worker, admin):
    gateway.script = [refuses(500)]
    task = await board.task(title="Before")
    await make.until(finds(admin, "outcome = 'failed'", table="runtime_command_attempts"))
    renamed = await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"title": "After"})
    assert renamed.status_code == 200
    await settled(admin)
    first, *_, last = gateway.asked
    assert (first.body, first.key, first.lane[0]) == (last.body, last.key, last.lane[0])
    assert first.lane[1] < last.lane[1]
    sent = await admin.fetchrow("SELECT * FROM delivery_rounds")
    assert sent["request"] == first.body
    assert sent["sends"] == len(gateway.asked)


async def test_each_prompt_is_kept_with_its_templates_digest_and_size(board, gateway, worker, admin):
    gateway.script = [says("Fine.")]
    await board.task()
    await settled(admin)
    sent = await admin.fetchrow("SELECT * FROM deliveries JOIN delivery_rounds USING (account_id, notification_id)")
    asked = gateway.asked[0].decoded
    prompt = asked["instructions"].encode() + asked["input"].encode()
    assert sent["template_version"] == render.built_in().version
    assert sent["digest"] == hashlib.sha256(f"{asked['instructions']}\0{asked['input']}".encode()).hexdigest()
    assert sent["size"] == len(prompt)
    assert (sent["answer_status"], sent["answer_type"]) == (200, gateways.JSON)
    assert msgspec.json.decode(sent["answer"])["usage"] == {"input_tokens": 7, "output_tokens": 3}
    assert msgspec.json.decode(sent["usage"]) == {"input_tokens": 7, "output_tokens": 3}


async def test_the_environments_token_goes_to_its_own_origin(board, gateway, admin):
    own = {"openclaw_gateway_url": gateway.url, "openclaw_gateway_token": TOKEN}
    async with gateways.working(board.settings, **own):
        await board.task()
        await settled(admin)
    assert gateway.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_the_environments_token_goes_nowhere_else(board, gateway, admin):
    async with gateways.opened() as other:
        own = {"openclaw_gateway_url": other.url, "openclaw_gateway_token": TOKEN}
        async with gateways.working(board.settings, **own):
            await board.task()
            await settled(admin)
        assert other.asked == []
    assert "authorization" not in gateway.asked[0].headers
    assert TOKEN not in str(gateway.asked)
