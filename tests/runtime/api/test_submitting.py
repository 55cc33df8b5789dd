"""Commands that operators submit: which, by whom, and once for a key."""

import asyncio
from typing import Any
from uuid import UUID

from app.runtime.types import CommandHeld
from tests import make
from tests.policies import desk as people
from tests.runtime.api import desk
from tests.runtime.api.desk import COMMANDS, PROBE

MANY = "SELECT count(*) FROM runtime_commands"


async def test_a_submitted_command_names_who_asked_and_its_request(board, admin):
    headers = {"X-Request-ID": "req-1", "X-Correlation-ID": "corr-1"}
    answer = await board.person.post(COMMANDS, json=PROBE | {"payload": {"note": "käse"}}, headers=headers)
    assert answer.status_code == 201
    command = answer.json()
    owner = await admin.fetchval("SELECT id FROM people WHERE account_id = $1 AND role = 'owner'", board.account_id)
    assert command["actor"] == {"kind": "person", "id": str(owner)}
    assert (command["request_id"], command["correlation_id"], command["trigger_source"]) == ("req-1", "corr-1", "http")
    assert (command["status"], command["payload"], command["queue"]) == ("queued", {"note": "käse"}, "inbound")
    assert (command["contract_version"], command["attempt_count"], command["max_attempts"]) == ("v1", 0, 5)
    [event] = await desk.events_of(board, command)
    assert (event["type"], event["actor_id"], event["request_id"]) == ("runtime:command:created", str(owner), "req-1")
    assert command == await desk.read(board, f"commands/{command['id']}")


async def test_a_submitted_command_runs_from_end_to_end(board):
    command = await desk.submitted(board, payload={"note": "drill", "fail_attempts": 1, "retry_after": 0})
    async with desk.working(board):

        async def is_done():
            return await desk.status(board, command) == "succeeded"

        await make.until(is_done)
    done = await desk.read(board, f"commands/{command['id']}")
    assert (done["result"]["note"], done["result"]["attempt"]) == ("drill", 2)
    assert UUID(done["result"]["worker_id"]).version == 7
    tried = (await desk.read(board, f"commands/{command['id']}/attempts"))["items"]
    assert [(one["attempt_number"], one["outcome"], one["error_class"]) for one in tried] == [
        (1, "failed", "transient"),
        (2, "succeeded", None),
    ]
    assert all(one["duration_ms"] >= 0 for one in tried)


async def test_a_probe_can_fail_for_good(board):
    errors = ("validation_failed", "forbidden", "not_found")
    made = [await desk.submitted(board, payload={"fail_attempts": 1, "error": error}) for error in errors]
    async with desk.working(board):

        async def are_buried():
            return {await desk.status(board, one) for one in made} == {"dead_lettered"}

        await make.until(are_buried)
    shown = [await desk.read(board, f"commands/{one['id']}") for one in made]
    assert tuple(one["last_error_class"] for one in shown) == errors


async def test_an_unknown_type_is_refused_with_the_known_ones(board, admin):
    answer = await board.person.post(COMMANDS, json={"command_type": "runtime.prob"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "validation_failed")
    assert {"runtime.probe", "delivery.send"} <= set(error["details"]["known"])
    assert error["details"]["fields"][0]["field"] == "command_type"
    assert await admin.fetchval(MANY) == 0


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"command_type": "delivery.send"}, "command_type"),
    ({"payload": {"seconds": 301}}, "payload.seconds"),
    ({"payload": {"seconds": "5"}}, "payload.seconds"),
    ({"payload": {"minutes": 5}}, "payload.minutes"),
    ({"payload": []}, "payload"),
    ({"policy_profile": "hasty"}, "policy_profile"),
    ({"delay_seconds": -1}, "delay_seconds"),
    ({"approval": {"quorum": 0}}, "approval.quorum"),
    ({"actor": "me"}, "actor"),
]


async def test_what_does_not_fit_is_refused_with_its_field(board, admin):
    for fields, field in UNFIT:
        answer = await board.person.post(COMMANDS, json=PROBE | fields)
        assert answer.status_code == 422, answer.text
        assert [one["field"] for one in answer.json()["error"]["details"]["fields"]] == [field]
    assert await admin.fetchval(MANY) == 0


async def test_fifty_calls_with_one_key_make_one_command(board, admin):
    async def call():
        return await board.person.post(COMMANDS, json=PROBE, headers={"Idempotency-Key": "once"})

    answers = await asyncio.gather(*[call() for _ in range(50)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted("idempotent-replayed" in answer.headers for answer in answers) == [False] + [True] * 49
    assert await admin.fetchval(MANY) == 1
    other = await board.person.post(COMMANDS, json=PROBE | {"delay_seconds": 1}, headers={"Idempotency-Key": "once"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")


async def test_a_key_is_the_commands_own_for_other_admins_and_after_the_stored_answer_is_gone(board, admin):
    first = await desk.submitted(board, key="once")
    assert first["idempotency_key"] == "once"
    other = board.as_(await people.person(board, admin, "admin"))
    for client in (board.person, other):
        await admin.execute("DELETE FROM idempotency_records")
        again = await client.post(COMMANDS, json=PROBE, headers={"Idempotency-Key": "once"})
        assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, first, "true")
    await admin.execute("DELETE FROM idempotency_records")
    mismatch = await other.post(COMMANDS, json=PROBE | {"payload": {"note": "b"}}, headers={"Idempotency-Key": "once"})
    assert (mismatch.status_code, mismatch.json()["error"]["code"]) == (422, "idempotency_mismatch")


async def test_two_admins_with_one_key_at_once_get_one_command(board, admin):
    other = board.as_(await people.person(board, admin, "admin"))
    calls = [
        client.post(COMMANDS, json=PROBE, headers={"Idempotency-Key": f"key-{turn}"})
        for turn in range(10)
        for client in (board.person, other)
    ]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert await admin.fetchval(MANY) == 10


async def test_without_a_key_every_call_is_a_command_of_its_own(board):
    first, second = await desk.submitted(board), await desk.submitted(board)
    assert first["id"] != second["id"]
    assert first["idempotency_key"] != second["idempotency_key"]


async def test_members_and_every_agent_may_neither_read_nor_steer(board, admin):
    command = await desk.submitted(board)
    names = [await people.person(board, admin, role) for role in ("member", "viewer")]
    agents = [name for name in board.tokens if "@" not in name]
    assert len(agents) > 3
    for name in [*names, *agents]:
        client = board.as_(name)
        calls = [
            client.post(COMMANDS, json=PROBE),
            client.get(COMMANDS),
            client.get(f"{COMMANDS}/{command['id']}"),
            client.get(f"{COMMANDS}/{command['id']}/trace"),
            client.get(f"{desk.RUNTIME}/queues"),
            client.get(f"{desk.RUNTIME}/workers"),
            client.get(f"{desk.RUNTIME}/taxonomy"),
            *(client.post(f"{COMMANDS}/{command['id']}/{verb}", json={"reason": "r"}) for verb in ("cancel", "hold", "resume")),
            client.post(f"{COMMANDS}/{command['id']}/transition", json={"to": "canceled"}),
        ]
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {403}, name
    assert (await board.client(None).post(COMMANDS, json=PROBE)).status_code == 401
    assert await admin.fetchval(MANY) == 1
    assert await desk.status(board, command) == "queued"


async def test_a_delayed_command_waits(board, admin):
    command = await desk.submitted(board, delay_seconds=3600)
    due = await admin.fetchval("SELECT extract(epoch FROM run_at - created_at)::int FROM runtime_commands")
    assert (due, command["status"]) == (3600, "queued")


async def test_what_needs_approval_is_held_and_told(board, monkeypatch):
    heard = desk.heard(monkeypatch, CommandHeld)
    by_profile = await desk.submitted(board, policy_profile="manual_review")
    terms = {"summary": "Really?", "quorum": 2, "min_role": "owner", "expires_seconds": 60}
    by_terms = await desk.submitted(board, approval=terms)
    for command in (by_profile, by_terms):
        assert (command["status"], command["held_by"]) == ("held", "approval")
    assert [one.command_id for one in heard] == [UUID(by_profile["id"]), UUID(by_terms["id"])]
    assert (heard[0].terms.quorum, heard[1].terms.quorum, heard[1].terms.min_role) == (1, 2, "owner")


async def test_a_full_queue_refuses_at_once(board, admin):
    await admin.execute(
        "INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)"
        " VALUES ($1, 'queue.inbound.most', '2', 1, '', 'system')",
        board.account_id,
    )
    for _ in range(2):
        await desk.submitted(board)
    answer = await board.person.post(COMMANDS, json=PROBE)
    assert (answer.status_code, answer.json()["error"]["code"], "retry-after" in answer.headers) == (503, "overloaded", True)
