"""What a person has not read, and saying that it was read."""

from uuid import uuid4

from app.kernel import db
from tests import boards
from tests.kernel.test_sql import Counted, sent_by
from tests.notifications.talk import say

MINE = "/api/v1/notifications?mine=true"
UNREAD = f"{MINE}&state=queued"
ALL = "/api/v1/notifications/read-all"


async def page(board, address: str) -> dict:
    answer = await board.person.get(address)
    assert answer.status_code == 200, answer.text
    found: dict = answer.json()
    return found


async def test_a_person_reads_one_then_all_and_only_their_own(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    for number in range(4):
        await say(board, task, f"Answer {number}.", who="engineer")
    first = await page(board, f"{UNREAD}&limit=3")
    assert (len(first["items"]), first["limit"], first["unread"]) == (3, 3, 4)
    rest = await page(board, f"{UNREAD}&limit=3&cursor={first['next_cursor']}")
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
    ids = [item["id"] for item in (*first["items"], *rest["items"])]
    assert ids == sorted(ids, reverse=True)
    assert {item["recipient_kind"] for item in first["items"]} == {"person"}
    one = f"/api/v1/notifications/{ids[0]}/read"
    answers = [await board.person.post(one, json={}) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["state"], (await page(board, UNREAD))["unread"]) == ("delivered", 3)
    # What came after the newest that was looked at stays unread.
    assert (await board.person.post(ALL, json={"upto": ids[2]})).json() == {"read": 2, "unread": 1}
    assert [item["id"] for item in (await page(board, UNREAD))["items"]] == [ids[1]]
    assert [(await board.person.post(ALL, json={})).json() for _ in range(2)] == [
        {"read": 1, "unread": 0},
        {"read": 0, "unread": 0},
    ]
    assert [item["id"] for item in (await page(board, MINE))["items"]] == ids
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'notify:notification:read'") == 3
    agents = await admin.fetchval("SELECT id FROM notifications WHERE recipient_kind = 'agent' LIMIT 1")
    for stranger in (agents, uuid4(), "nothing"):
        assert (await board.person.post(f"/api/v1/notifications/{stranger}/read", json={})).status_code == 404
    refused = [f"{MINE}&recipient_id={uuid4()}", "/api/v1/notifications?state=nonsense", "/api/v1/notifications?mine=2"]
    assert [(await board.person.get(address)).status_code for address in refused] == [422, 422, 422]
    assert (await board.person.post(ALL, json={"all": True})).status_code == 422
    assert (await board.as_("engineer").post(ALL, json={})).status_code == 403
    waits = (await page(board, "/api/v1/notifications?state=queued"))["items"]
    assert {item["recipient_kind"] for item in waits} == {"agent"}


async def test_reading_takes_few_round_trips(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        task = await board.task(assignee_slugs=["engineer"])
        for number in range(2):
            await say(board, task, f"Answer {number}.", who="engineer")
        own = iter(item["id"] for item in (await page(board, UNREAD))["items"])

        async def read():
            return await board.person.post(f"/api/v1/notifications/{next(own)}/read", json={})

        found = [await sent_by(lambda: board.person.get(UNREAD)), await sent_by(read)]
    assert found == [4, 4]
