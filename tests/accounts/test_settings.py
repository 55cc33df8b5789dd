"""The account's settings over HTTP: what may be set, by whom, and what a refusal leaves untouched."""

from typing import Any

import pytest

from tests.policies.desk import person

ACCOUNT = "/api/v1/account"
SYSTEM = {"lease_seconds": 900, "open_pool": False, "evidence": "off", "duplicate_guard": True}
OTHER = {"lease_seconds": 60, "open_pool": True, "evidence": "checked", "duplicate_guard": False}


async def shown(board) -> dict[str, Any]:
    answer = await board.person.get(ACCOUNT)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def these(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in SYSTEM}


async def test_a_new_account_has_the_systems_settings(board):
    assert these(await shown(board)) == SYSTEM


async def test_each_setting_is_changed_alone_and_read_back(board):
    before = await shown(board)
    for step, (name, value) in enumerate(OTHER.items(), start=1):
        answer = await board.person.patch(ACCOUNT, json={name: value})
        before |= {name: value, "version": before["version"] + 1}
        assert (answer.status_code, answer.json()) == (200, before), step
    assert await shown(board) == before
    assert these(before) == OTHER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("lease_seconds", value) for value in (30, 86_400)),
        *(("evidence", value) for value in ("off", "claimed", "checked")),
    ],
)
async def test_the_ends_of_each_range_are_in_it(board, name, value):
    assert (await board.person.patch(ACCOUNT, json={name: value})).json()[name] == value


BAD: list[tuple[str, Any]] = [
    *(("lease_seconds", value) for value in (29, 86_401, 0, -900, 10**30, 900.5, "900", True, None, [900])),
    *(("open_pool", value) for value in ("true", 1, None)),
    *(("evidence", value) for value in ("", "OFF", "none", True, False, None, 1)),
    *(("duplicate_guard", value) for value in ("no", 0, None)),
]


async def test_a_bad_value_is_refused_with_its_field_and_changes_nothing(board, admin):
    before, events = await shown(board), await admin.fetchval("SELECT count(*) FROM events")
    for name, value in BAD:
        answer = await board.person.patch(ACCOUNT, json={"name": "Changed", name: value})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "validation_failed"), (name, value)
        assert [one["field"] for one in error["details"]["fields"]] == [name], (name, value)
    assert await shown(board) == before
    assert await admin.fetchval("SELECT count(*) FROM events") == events


async def test_an_unknown_setting_is_refused(board):
    answer = await board.person.patch(ACCOUNT, json={"lease_minutes": 1})
    assert (answer.status_code, answer.json()["error"]["details"]["fields"][0]["field"]) == (422, "lease_minutes")


async def test_owner_and_admin_set_and_nobody_else(board, admin):
    for role, status in (("admin", 200), ("member", 403), ("viewer", 403)):
        client = board.as_(await person(board, admin, role))
        answer = await client.patch(ACCOUNT, json={"lease_seconds": 120})
        assert answer.status_code == status, role
        assert (await client.get(ACCOUNT)).json()["lease_seconds"] == 120
        if status == 403:
            assert answer.json()["error"]["details"]["reason"] == "role_denied"
    answer = await board.as_("orchestrator").patch(ACCOUNT, json={"open_pool": True})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "persons_only")
    assert not (await shown(board))["open_pool"]


async def test_the_log_names_the_settings_and_not_their_values(board, admin):
    await board.person.patch(ACCOUNT, json=OTHER)
    row = await admin.fetchrow("SELECT payload::text AS payload FROM events WHERE type = 'board:account:updated'")
    assert row["payload"] == '{"fields": ["duplicate_guard", "evidence", "lease_seconds", "open_pool"]}'
