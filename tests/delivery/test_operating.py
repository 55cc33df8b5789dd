"""What an operator sees of deliveries and does with them, over REST."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.delivery.rules import EXPLANATIONS
from app.delivery.types import DeliveryReason
from app.kernel import db
from tests import gateways, make
from tests.delivery.test_rules import DELIVERED, SKIPPED
from tests.gateways import NO_REPLY, finds, refuses, says, settled, thread

DELIVERIES = "/api/v1/deliveries"
TABLE: list[tuple[Any, Any, str]] = [*DELIVERED, *SKIPPED]


async def listed(board, **params):
    answer = await board.person.get(DELIVERIES, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def act(board, path, body=None, status=200):
    answer = await board.person.post(f"{DELIVERIES}/{path}", json=body or {}, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_delivery_is_seen_with_its_attempts_calls_prompt_and_raw_answer(board, gateway, worker, admin):
    session = "SELECT key FROM agent_sessions WHERE kind = 'task'"
    gateway.script = [refuses(503), says("Fine, cb_ABCDEFGH_verysecret.")]
    task = await board.task(title="Seen")
    await settled(admin)
    (seen,) = await listed(board, state="delivered", task_id=task["id"])
    assert (seen["agent_slug"], seen["task_title"], seen["reason"], seen["attempts"]) == (
        "orchestrator",
        "Seen",
        "status_changed",
        2,
    )
    assert (seen["calls_outside"], seen["input_tokens"], seen["output_tokens"]) == (2, 7, 3)
    assert [one["id"] for one in await listed(board, agent_id=seen["agent_id"])] == [seen["id"]]
    assert (
        await listed(board, agent_id=str(uuid4()))
        == await listed(board, type="mention")
        == await listed(board, state="dead")
        == []
    )
    detail = (await board.person.get(f"{DELIVERIES}/{seen['id']}")).json()
    assert [one["outcome"] for one in detail["attempted"]] == ["failed", "succeeded"]
    assert "503" in detail["attempted"][0]["error"]
    assert [(one["ask"], one["round"], one["sends"], one["answer_status"]) for one in detail["rounds"]] == [(0, 0, 2, 200)]
    sent = (await board.person.get(f"{DELIVERIES}/{seen['id']}/prompt")).json()
    assert sent["input"] == gateway.asked[0].decoded["input"]
    raw = await board.person.get(f"{DELIVERIES}/{seen['id']}/rounds/0/0")
    assert "Fine, ***." in raw.json()["answer"]
    assert await admin.fetchval(session) not in raw.text
    assert "verysecret" not in raw.text
    for place in ("0/1", "0/-1", "0/32768", f"{10**30}/0"):
        assert (await board.person.get(f"{DELIVERIES}/{seen['id']}/rounds/{place}")).status_code == 404
    assert (await board.as_("engineer").get(f"{DELIVERIES}/{seen['id']}")).status_code == 403


async def test_the_context_names_every_agent_with_whether_it_reviews(board, gateway, worker, admin):
    await board.task()
    await settled(admin)
    (seen,) = await listed(board)
    found = (await board.person.get(f"{DELIVERIES}/{seen['id']}/context")).json()
    agents = {one["slug"]: one for one in found["agents"]}
    assert {slug for slug, one in agents.items() if one["is_reviewer"]} == {"reviewer"}
    assert all(isinstance(one["is_reviewer"], bool) for one in agents.values())
    assert (len(agents), found["decision"]["reason"], found["decision"]["deliver"]) == (5, "status_changed", True)
    assert (await board.person.get(f"{DELIVERIES}/{uuid4()}/context")).status_code == 404
    assert (await board.person.get(f"{DELIVERIES}/none/context")).status_code == 404


async def test_any_context_is_explained_as_the_table_decides_it_and_nothing_is_sent(board, gateway, admin):
    for kind, changes, reason in TABLE:
        context = {"author_kind": "agent", "task_status": "in_progress", "depth": 1, "type": kind, **changes}
        said = await act(board, "explain", {"context": {name: value for name, value in context.items() if value is not None}})
        assert (said["reason"], said["deliver"]) == (reason, (kind, changes, reason) in DELIVERED)
        assert said["words"].endswith(".")
    assert gateway.asked == []
    assert await admin.fetchval("SELECT count(*) FROM notifications") == 0
    for wrong in ({}, {"context": {"type": "nonsense"}}, {"context": {"type": "mention", "depth": -1}}, {"delivery": "x"}):
        await act(board, "explain", wrong, status=422)
    await act(board, "explain", {"delivery_id": str(uuid4())}, status=404)


def test_every_reason_is_explained():
    assert set(EXPLANATIONS) == set(DeliveryReason)


async def test_what_waits_is_tried_at_once_and_what_was_given_up_is_replayed(board, gateway, admin):
    gateway.script = [refuses(400), says("Done.")]
    async with gateways.working(board.settings):
        task = await board.task()
        await make.until(finds(admin, "state = 'dead'"))
        (dead,) = await listed(board, state="dead")
        why = (await board.person.get(f"/api/v1/tasks/{task['id']}/why")).json()
        assert (why["waits_for"], why["details"]["agents"][0]["delivery_id"]) == ("delivery_given_up", dead["id"])
        assert {one["email"] for one in why["who"]} == {"owner@example.com"}
        again = await act(board, f"{dead['id']}/retry")
        assert (again["state"], again["command_status"]) == ("queued", "queued")
        await settled(admin)
        assert [said["content"] for said in await thread(board, task["id"])] == ["Done."]
        await act(board, f"{dead['id']}/retry", status=409)
        gateway.script = [refuses(429, **{"Retry-After": "50"})]
        await board.task(title="Later")
        await make.until(finds(admin, "state = 'retry_scheduled'", table="runtime_commands"))
        (waits,) = await listed(board, state="queued")
        assert waits["next_at"] is not None
        assert waits["last_error_class"] == "rate_limited"
        # What waits behind it in the same lane says nothing of the cause.
        await board.person.post(f"/api/v1/tasks/{waits['task_id']}/messages", json={"content": "@orchestrator?"})
        why = (await board.person.get(f"/api/v1/tasks/{waits['task_id']}/why")).json()
        assert (why["waits_for"], why["until"]) == ("delivery_delayed", waits["next_at"])
        await act(board, f"{waits['id']}/retry")
        await make.until(finds(admin, "id = $1 AND state = 'delivered'", waits["id"]))


async def test_all_of_a_cause_is_replayed(board, gateway, admin):
    gateway.script = [refuses(400), refuses(400)]
    async with gateways.working(board.settings):
        for number in range(2):
            await board.task(title=f"Task {number}")
        await make.until(finds(admin, "(SELECT count(*) FROM notifications WHERE state = 'dead') = 2"))
        assert await act(board, "replay", {"error_class": "timeout"}) == {"replayed": 0, "remaining": 0}
        assert await act(board, "replay", {"task_id": str(uuid4())}) == {"replayed": 0, "remaining": 0}
        assert await act(board, "replay", {"most": 1}) == {"replayed": 1, "remaining": 1}
        assert await act(board, "replay", {"error_class": "validation_failed"}) == {"replayed": 1, "remaining": 0}
        await settled(admin)
    assert await admin.fetchval("SELECT count(*) FROM notifications WHERE state = 'delivered'") == 2


@pytest.mark.parametrize("is_running", [False, True], ids=["while it waits", "while it is asked"])
async def test_a_skipped_delivery_ends_and_posts_nothing(board, gateway, admin, is_running):
    gateway.script = [gateways.hangs() if is_running else refuses(503)]
    async with gateways.working(board.settings):
        task = await board.task()
        if is_running:
            await make.until(lambda: asyncio.sleep(0, bool(gateway.asked)))
        else:
            await make.until(finds(admin, "state = 'retry_scheduled'", table="runtime_commands"))
        (waits,) = await listed(board, state="queued")
        skipped = await act(board, f"{waits['id']}/skip", {"reason": "not needed"})
        assert (skipped["state"], skipped["reason"]) == ("skipped", "skipped_by_hand")
        assert (await act(board, f"{waits['id']}/skip", {"reason": "again"}))["state"] == "skipped"
        await make.until(finds(admin, "type = 'delivery.send' AND state = 'canceled'", table="runtime_commands"))
        gateway.answering = lambda _: NO_REPLY
        await settled(admin)
    assert await thread(board, task["id"]) == []
    assert await admin.fetchval("SELECT state FROM notifications WHERE recipient_kind = 'agent'") == "skipped"
    await act(board, f"{waits['id']}/skip", {"reason": " "}, status=422)


async def test_what_comes_to_its_end_meanwhile_is_not_skipped_too(board, urls, admin):
    await board.task()
    (waits,) = await listed(board, state="queued")
    async with admin.transaction():
        await admin.execute("UPDATE notifications SET state = 'delivered', command_id = NULL")
        skipping = asyncio.create_task(act(board, f"{waits['id']}/skip", {"reason": "too late"}, status=409))
        other = await asyncpg.connect(db.plain(urls[0]))
        await make.until(finds(other, "wait_event_type = 'Lock' AND datname = current_database()", table="pg_stat_activity"))
        await other.close()
    assert "delivered" in (await skipping)["error"]["message"]
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'notify:notification:ended'") == 0
