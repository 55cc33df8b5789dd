"""Schedules over HTTP: what is accepted, refused, shown and recorded."""

import json
from typing import Any

from tests import boards, make

SCHEDULES = "/api/v1/admin/runtime/schedules"
NEW = {"name": "Probe", "command_type": "runtime.probe", "cron": "0 9 * * *", "timezone": "Europe/Berlin"}


async def made(board, **fields):
    answer = await board.person.post(SCHEDULES, json=NEW | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def post(board, schedule, verb, **body):
    return await board.person.post(f"{SCHEDULES}/{schedule['id']}/{verb}", json=body)


async def events_of(board, schedule_id):
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        sql = "SELECT type, payload, actor_kind, sequence FROM events WHERE account_id = $1 AND entity_id = $2 ORDER BY seq"
        return [
            (row["type"].rpartition(":")[2], json.loads(row["payload"]), row["actor_kind"], row["sequence"])
            for row in await tx.rows(sql, tx.account_id, schedule_id)
        ]


async def test_a_schedule_is_made_shown_and_listed(board):
    one = await made(board, payload={"note": "hi"}, active_hours="08:00-18:00", misfire="catch_up", catch_up_most=3)
    assert (one["is_enabled"], one["is_system"], one["version"], one["created_by_kind"]) == (True, False, 1, "person")
    assert one["next_at"].endswith(("T07:00:00Z", "T08:00:00Z"))
    shown = (await board.person.get(f"{SCHEDULES}/{one['id']}")).json()
    assert shown == one | {"ticks": []}
    listed = (await board.person.get(f"{SCHEDULES}?limit=2")).json()
    assert [item["name"] for item in listed["items"]] == ["retention", "liveness"]
    rest = (await board.person.get(f"{SCHEDULES}?cursor={listed['next_cursor']}")).json()
    assert [item["name"] for item in rest["items"] if not item["is_system"]] == ["Probe"]
    assert rest["next_cursor"] is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"command_type": "no.such"}, "command_type"),
    ({"command_type": "tasks.expire_lease"}, "command_type"),
    ({"payload": {"seconds": "long"}}, "payload.seconds"),
    ({"cron": "61 * * * *"}, "cron"),
    ({"cron": "0 0 30 2 *"}, "cron"),
    ({"cron": None}, "cron"),
    ({"interval_seconds": 60}, "cron"),
    ({"cron": None, "interval_seconds": 0}, "interval_seconds"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "../etc/passwd"}, "timezone"),
    ({"active_hours": "nine to five"}, "active_hours"),
    ({"active_hours": "10:00-11:00"}, "active_hours"),
    ({"catch_up_most": 101}, "catch_up_most"),
    ({"colour": "red"}, "colour"),
]


async def test_what_could_never_run_is_refused_with_its_field(board):
    for fields, field in REFUSED:
        answer = await board.person.post(SCHEDULES, json=NEW | fields)
        error = answer.json()["error"]
        assert (answer.status_code, [one["field"] for one in error["details"]["fields"]]) == (422, [field]), fields


async def test_an_unknown_type_is_answered_with_those_that_there_are(board):
    error = (await board.person.post(SCHEDULES, json=NEW | {"command_type": "runtime.prob"})).json()["error"]
    assert "runtime.probe" in error["details"]["known"]
    assert "did you mean runtime.probe" in error["message"]


async def test_two_schedules_do_not_share_a_name(board):
    await made(board)
    other = await made(board, name="Other")
    assert (await board.person.post(SCHEDULES, json=NEW)).json()["error"]["code"] == "duplicate"
    renamed = await board.person.patch(f"{SCHEDULES}/{other['id']}", json={"name": "Probe"})
    assert renamed.json()["error"]["code"] == "duplicate"


async def test_a_change_is_recorded_with_what_was_and_what_is(board):
    one = await made(board)
    path = f"{SCHEDULES}/{one['id']}"
    changed = await board.person.patch(path, json={"interval_seconds": 90, "misfire": "skip", "expected_version": 1})
    view = changed.json()
    assert (changed.status_code, view["version"], view["cron"], view["interval_seconds"]) == (200, 2, None, 90)
    assert (await board.person.patch(path, json={"misfire": "skip", "expected_version": 1})).status_code == 409
    assert (await board.person.patch(path, json={"misfire": "skip"})).json()["version"] == 2
    [_, (what, payload, actor, sequence)] = await events_of(board, one["id"])
    assert (what, actor, sequence) == ("updated", "person", 2)
    assert payload["before"] == {"cron": "0 9 * * *", "interval_seconds": None, "misfire": "run_once"}
    assert payload["after"] == {"cron": None, "interval_seconds": 90, "misfire": "skip"}


async def test_a_change_that_could_never_run_changes_nothing(board):
    one = await made(board)
    for body in (
        {"cron": "x"},
        {"cron": None},
        {"timezone": "No/Where"},
        {"command_type": "no.such"},
        {"payload": {"seconds": -1}},
    ):
        assert (await board.person.patch(f"{SCHEDULES}/{one['id']}", json=body)).status_code == 422, body
    assert (await board.person.get(f"{SCHEDULES}/{one['id']}")).json()["version"] == 1


async def test_it_is_disabled_with_a_reason_and_enabled_again(board):
    one = await made(board)
    off = (await post(board, one, "disable", reason="too loud")).json()
    assert (off["is_enabled"], off["disabled_reason"], off["version"]) == (False, "too loud", 2)
    on = (await post(board, one, "enable")).json()
    assert (on["is_enabled"], on["disabled_reason"], on["version"]) == (True, None, 3)
    assert (await post(board, one, "enable")).json()["version"] == 3
    assert [what for what, *_ in await events_of(board, one["id"])] == ["created", "disabled", "enabled"]


async def test_a_preview_shows_the_next_ticks_in_its_zone(board):
    one = await made(board, cron="0 0 1 1 *")
    ticks = (await board.person.get(f"{SCHEDULES}/{one['id']}/preview?count=3")).json()["ticks"]
    assert [tick[4:] for tick in ticks] == ["-12-31T23:00:00Z"] * 3
    assert len((await board.person.get(f"{SCHEDULES}/{one['id']}/preview?count=1000")).json()["ticks"]) == 100


async def test_it_is_run_by_hand_once_for_a_key(board, admin):
    one = await made(board, is_enabled=False)
    path = f"{SCHEDULES}/{one['id']}/run"
    assert (await board.person.post(path, json={})).json()["error"]["details"]["fields"][0]["field"] == "Idempotency-Key"
    first = await board.person.post(path, json={}, headers={"Idempotency-Key": "k"})
    assert first.status_code == 200, first.text
    again = await board.person.post(path, json={}, headers={"Idempotency-Key": "k"})
    assert again.json() == first.json()
    await admin.execute("DELETE FROM idempotency_records")
    assert (await board.person.post(path, json={}, headers={"Idempotency-Key": "k"})).json() == first.json()
    [tick] = (await board.person.get(f"{SCHEDULES}/{one['id']}")).json()["ticks"]
    assert (tick["command_id"], tick["status"]) == (first.json()["command_id"], "queued")


async def test_nothing_is_run_by_hand_while_schedules_are_stopped(board, admin):
    one = await made(board)
    await admin.execute(
        "INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)"
        " VALUES ($1, 'switch.schedules', 'true', 1, 'r', 'system')",
        board.account_id,
    )
    refused = await board.person.post(f"{SCHEDULES}/{one['id']}/run", json={}, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (403, "kill_switch")


async def test_the_board_keeps_its_own_schedules(board):
    items = (await board.person.get(SCHEDULES)).json()["items"]
    one = next(item for item in items if item["name"] == "retention")
    path = f"{SCHEDULES}/{one['id']}"
    assert (await board.person.delete(path)).json()["error"]["code"] == "requirement_failed"
    for body in ({"command_type": "runtime.probe"}, {"name": "mine"}, {"payload": {"a": 1}}):
        assert (await board.person.patch(path, json=body)).json()["error"]["code"] == "requirement_failed"
    assert (await board.person.patch(path, json={"cron": "30 4 * * *"})).json()["cron"] == "30 4 * * *"
    assert (await post(board, one, "disable", reason="not here")).json()["is_enabled"] is False


async def test_a_deleted_schedule_is_gone_and_its_commands_stay(board, admin):
    one = await made(board)
    path = f"{SCHEDULES}/{one['id']}"
    await board.person.post(f"{path}/run", json={}, headers={"Idempotency-Key": "k"})
    assert (await board.person.delete(path)).status_code == 204
    assert (await board.person.get(path)).status_code == 404
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE schedule_id = $1", one["id"]) == 1
    assert [what for what, *_ in await events_of(board, one["id"])][-1] == "deleted"


async def test_agents_and_other_accounts_see_nothing_of_it(urls, board):
    one = await made(board)
    assert (await board.as_("orchestrator").get(SCHEDULES)).status_code == 403
    async with boards.opened(urls[1], account_slug="other") as other:
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/preview", None),
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
            ("POST", "/enable", {}),
            ("POST", "/disable", {}),
            ("POST", "/run", {}),
        ):
            answer = await other.person.request(
                method, f"{SCHEDULES}/{one['id']}{path}", json=body, headers={"Idempotency-Key": "k"}
            )
            assert answer.status_code == 404, (method, path)
