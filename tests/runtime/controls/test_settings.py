import asyncio
from typing import Any

from app.runtime.rules.settings import SETTINGS
from tests import boards, make
from tests.runtime.controls import desk
from tests.runtime.controls.desk import RUNTIME, WHY


async def test_every_setting_is_listed_with_its_default_and_its_range(board):
    page = desk.ok(await board.person.get(f"{RUNTIME}/settings"))
    assert [item["name"] for item in page["items"]] == list(SETTINGS)
    for item in page["items"]:
        setting = SETTINGS[item["name"]]
        assert (item["value"], item["default"]) == (setting.default, setting.default)
        assert (item["least"], item["most"], item["is_set"], item["version"]) == (setting.least, setting.most, False, 0)


async def test_a_change_says_who_made_it_when_and_why(board, admin):
    changed = await desk.set_(board, "breaker.failures", 7)
    assert (changed["value"], changed["version"], changed["reason"], changed["is_set"]) == (7, 1, WHY, True)
    owner = await admin.fetchval("SELECT id FROM people WHERE email = $1", boards.OWNER)
    assert (changed["changed_by_kind"], changed["changed_by_id"]) == ("person", str(owner))
    assert changed["changed_at"]
    assert await desk.setting(board, "breaker.failures") == changed
    (event,) = await desk.told(admin, "runtime:setting:changed")
    about = {"name": "breaker.failures", "before": 5, "after": 7, "is_default": False, "reason": WHY}
    assert event == about | {"actor_kind": "person", "actor_id": owner, "sequence": 1}


async def test_going_back_to_the_default_is_a_change_too(board, admin):
    await desk.set_(board, "breaker.failures", 7)
    back = await desk.reset(board, "breaker.failures")
    assert (back["value"], back["is_set"], back["version"]) == (5, False, 2)
    await desk.set_(board, "breaker.failures", 8, expected_version=2)
    seen = [(event["before"], event["after"], event["sequence"]) for event in await desk.told(admin, "runtime:setting:changed")]
    assert seen == [(5, 7, 1), (7, 5, 2), (5, 8, 3)]


BAD_VALUES = [("breaker.failures", 0), ("breaker.failures", 1001), ("switch.agents", 1), ("limit.agent.most", True)]
BAD_BODIES: list[dict[str, Any]] = [{"value": "many"}, {"value": None}, {"value": 1.5}, {"reason": " "}, {"extra": 1}]


async def test_what_is_out_of_range_or_of_another_shape_or_without_a_reason_is_refused(board, admin):
    for name, value in BAD_VALUES:
        error = desk.refused(await desk.put(board, name, value), 422)
        assert error["details"]["fields"][0]["field"] == "value"
    for fields in BAD_BODIES:
        body = {"value": 7, "reason": WHY} | fields
        desk.refused(await board.person.put(f"{RUNTIME}/settings/breaker.failures", json=body), 422)
    desk.refused(await board.person.delete(f"{RUNTIME}/settings/breaker.failures"), 422)
    assert await admin.fetchval("SELECT count(*) FROM runtime_settings") == 0


async def test_an_unknown_setting_is_not_found_and_a_close_one_named(board):
    error = desk.refused(await desk.put(board, "switch.agent", True), 404)
    assert error["details"]["close"] == "switch.agents"
    assert "did you mean switch.agents?" in error["message"]


async def test_of_many_who_set_it_first_each_makes_one_version(board, admin):
    answers = await asyncio.gather(*[desk.put(board, "breaker.failures", number) for number in range(1, 9)])
    assert sorted(desk.ok(answer)["version"] for answer in answers) == list(range(1, 9))
    events = await desk.told(admin, "runtime:setting:changed")
    assert [event["sequence"] for event in events] == list(range(1, 9))
    assert [event["before"] for event in events[1:]] == [event["after"] for event in events[:-1]]


async def test_of_many_who_expect_the_same_version_one_wins(board):
    answers = await asyncio.gather(*[desk.put(board, "breaker.failures", 7, expected_version=0) for _ in range(6)])
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    error = desk.refused(await desk.put(board, "breaker.failures", 8, expected_version=0), 409)
    assert (error["code"], error["details"]["version"]) == ("version_conflict", 1)


async def test_agents_and_members_set_nothing(board, admin):
    assert (await board.as_("engineer").get(f"{RUNTIME}/settings")).status_code == 403
    await admin.execute("UPDATE people SET role = 'member'")
    await admin.execute("SELECT pg_notify('callboard_identity', '*')")

    async def is_refused():
        return (await desk.put(board, "breaker.failures", 7)).status_code == 403

    await make.until(is_refused)


async def test_a_setting_binds_its_own_account_only(board, urls):
    async with boards.opened(urls[1], account_slug="other") as other:
        await desk.set_(board, "breaker.failures", 7)
        assert (await desk.setting(other, "breaker.failures"))["value"] == 5
        assert other.account_id != board.account_id


async def test_another_limit_binds_those_that_are_counted_already(board, admin):
    rows = [("agent:a", 5), ("agent:b", 5), ("dependency:gateway", 50)]
    insert = "INSERT INTO runtime_limits (account_id, key, most) VALUES ($1, $2, $3)"
    await admin.executemany(insert, [(board.account_id, *row) for row in rows])
    await desk.set_(board, "limit.agent.most", 2)
    read = "SELECT key, most FROM runtime_limits ORDER BY key"
    assert [tuple(row) for row in await admin.fetch(read)] == [("agent:a", 2), ("agent:b", 2), ("dependency:gateway", 50)]
    await desk.reset(board, "limit.agent.most")
    assert [tuple(row) for row in await admin.fetch(read)] == rows
