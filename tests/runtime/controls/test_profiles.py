import asyncio
from typing import Any

from app.runtime.rules.profiles import PROFILES
from app.runtime.rules.tuning import shown
from tests import boards, make
from tests.gateways import working
from tests.runtime.api.desk import submitted
from tests.runtime.controls import desk
from tests.runtime.controls.desk import RUNTIME, WHY


async def tune(board, name="standard_async", *, version=0, changes=None, **fields):
    body = {"changes": changes or {"attempts": 3}, "reason": WHY, "expected_version": version} | fields
    return await board.person.put(f"{RUNTIME}/profiles/{name}", json=body)


async def roll_back(board, version, name="standard_async"):
    return await board.person.post(f"{RUNTIME}/profiles/{name}/rollback", json={"to_version": version, "reason": WHY})


async def profile(board, name="standard_async"):
    items = desk.ok(await board.person.get(f"{RUNTIME}/profiles"))["items"]
    return next(item for item in items if item["name"] == name)


async def test_an_account_that_tuned_nothing_has_the_built_in_profiles(board):
    items = desk.ok(await board.person.get(f"{RUNTIME}/profiles"))["items"]
    assert [item["name"] for item in items] == list(PROFILES)
    for item in items:
        assert item["in_force"] == item["built_in"] == shown(PROFILES[item["name"]])
        assert (item["version"], item["versions"]) == (0, [])


async def test_a_change_is_a_version_with_its_reason_and_what_is_hoped_for(board, admin):
    hopes = {"expected_effect": "fewer dead letters", "rollback_condition": "queue older than an hour"}
    changed = desk.ok(await tune(board, changes={"attempts": 7, "dead_letter": False}, **hopes))
    assert (changed["in_force"]["attempts"], changed["built_in"]["attempts"]) == (7, 5)
    (version,) = changed["versions"]
    assert version["changes"] == {"attempts": 7, "dead_letter": False}
    assert {name: version[name] for name in hopes} == hopes
    assert (version["version"], version["reason"], version["changed_by_kind"]) == (1, WHY, "person")
    (event,) = await desk.told(admin, "runtime:profile:changed")
    assert (event["before"]["attempts"], event["after"]["attempts"], event["sequence"]) == (5, 7, 1)
    assert event["expected_effect"] == hopes["expected_effect"]
    assert await profile(board) == changed


async def test_a_change_adds_to_those_before_it_and_null_takes_one_back(board):
    await tune(board, changes={"attempts": 7})
    both = desk.ok(await tune(board, version=1, changes={"timeout": 90}))
    assert both["versions"][0]["changes"] == {"attempts": 7, "timeout": 90}
    one = desk.ok(await tune(board, version=2, changes={"attempts": None}))
    assert one["versions"][0]["changes"] == {"timeout": 90}
    assert [version["version"] for version in one["versions"]] == [3, 2, 1]


async def test_going_back_is_a_version_that_restores(board, admin):
    await tune(board, changes={"attempts": 7})
    await tune(board, version=1, changes={"attempts": 9})
    back = desk.ok(await roll_back(board, 1))
    assert (back["version"], back["in_force"]["attempts"], back["versions"][0]["restores_version"]) == (3, 7, 1)
    built_in = desk.ok(await roll_back(board, 0))
    assert (built_in["version"], built_in["in_force"]) == (4, built_in["built_in"])
    restored = [event.get("restores_version") for event in await desk.told(admin, "runtime:profile:changed")]
    assert restored == [None, None, 1, 0]
    desk.refused(await roll_back(board, 4), 422)
    desk.refused(await roll_back(board, 9), 404)
    desk.refused(await roll_back(board, 10**15), 422)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"attempts": 0}, "changes.attempts"),
    ({"timeout": 99_999}, "changes.timeout"),
    ({"base": 301}, "changes.cap"),
    ({"attempts": "many"}, "changes.attempts"),
    ({"retry_on": []}, "changes"),
]


async def test_a_change_out_of_bounds_is_refused_and_names_its_field(board):
    for changes, field in BAD:
        error = desk.refused(await tune(board, changes=changes), 422)
        assert error["details"]["fields"][0]["field"] == field
    nothing = {"changes": {}, "reason": WHY, "expected_version": 0}
    desk.refused(await board.person.put(f"{RUNTIME}/profiles/delivery", json=nothing), 422)
    desk.refused(await tune(board, "no_such"), 404)
    assert (await profile(board))["version"] == 0


async def test_of_many_who_tune_the_same_version_one_wins(board):
    answers = await asyncio.gather(*[tune(board, changes={"attempts": number}) for number in range(1, 6)])
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    error = desk.refused(await tune(board), 409)
    assert (error["code"], error["details"]["version"]) == ("version_conflict", 1)


async def test_a_tuned_profile_governs_what_workers_start_from_then_on(board, admin):
    async with working(board.settings):
        await tune(board, changes={"attempts": 2, "base": 0.05, "cap": 0.05})
        await asyncio.sleep(0)

        async def dead():
            return await admin.fetchrow("SELECT attempts FROM runtime_dead_letters")

        await submitted(board, payload={"fail_attempts": 10})
        letter = await make.until(dead)
    assert letter["attempts"] == 2


async def test_another_account_keeps_its_own(board, urls):
    async with boards.opened(urls[1], account_slug="other") as other:
        await tune(board)
        assert (await profile(other))["version"] == 0
