"""Updates of a thread that nobody has taken wait as one, and nothing that was said is lost by that."""

import asyncio
from uuid import uuid4

import pytest

from app.kernel import db
from app.messages import positions
from tests import boards, make
from tests.kernel.test_sql import Counted, sent_by
from tests.notifications.talk import emptied, fetch, say, seen, waiting

OLD = "UPDATE notifications SET created_at = created_at - interval '13 hours' WHERE state = 'queued'"


@pytest.fixture
async def task(board):
    made = await board.task(assignee_slugs=["engineer"])
    await emptied(board, "engineer")
    return made


async def unread(board, task, who, *, most=50):
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        return await positions.unread(tx, task["id"], await board.agent_id(who), most=most)


async def test_five_messages_wait_as_one_that_points_to_the_fifth_and_all_five_are_unread(board, admin, task):
    said = [await say(board, task, f"Message {number}.") for number in range(1, 6)][-1]
    (one,) = await waiting(admin, board, "engineer")
    assert (one["type"], one["merged"], str(one["message_id"]), one["body"]) == ("thread_update", 4, said["id"], "Message 5.")
    assert (one["taken_at"], one["attempts"]) == (None, 0)
    found = await unread(board, task, "engineer")
    assert [row["content"] for row in found.rows] == [f"Message {number}." for number in range(1, 6)]
    assert (found.omitted, found.upto) == (0, 5)
    few = await unread(board, task, "engineer", most=2)
    assert ([row["content"] for row in few.rows], few.omitted, few.upto) == (["Message 4.", "Message 5."], 3, 5)
    notice = await fetch(board, "engineer")
    assert (notice["id"], notice["unread"], notice["body"]) == (str(one["id"]), 5, "Message 5.")
    # What comes while it is in somebody's hands waits by itself, and is not taken for read with it.
    await say(board, task, "One more.")
    taken, more = await waiting(admin, board, "engineer")
    assert (taken["id"], taken["merged"], taken["attempts"], more["content"], more["merged"]) == (one["id"], 4, 1, "One more.", 0)
    assert await fetch(board, "engineer", notice["id"]) != {}
    assert await seen(admin, board, task, "engineer") == 5
    assert [row["content"] for row in (await unread(board, task, "engineer")).rows] == ["One more."]
    await emptied(board, "engineer")


async def test_ones_own_words_are_never_unread_and_a_position_never_goes_back(board, admin, task):
    await say(board, task, "A question?")
    await say(board, task, "My view.", who="engineer")
    found = await unread(board, task, "engineer")
    assert ([row["content"] for row in found.rows], found.upto) == (["A question?"], 2)
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        for upto in (2, 1):
            positions.advance(tx, task["id"], await board.agent_id("engineer"), upto)
    assert await seen(admin, board, task, "engineer") == 2
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        positions.advance(tx, task["id"], await board.agent_id("engineer"), 1)
    assert await seen(admin, board, task, "engineer") == 2
    assert (await unread(board, task, "engineer")).rows == ()
    late = (await unread(board, {"id": uuid4()}, "engineer")).upto
    assert late == 0


async def test_a_person_who_wrote_still_counts_when_an_agent_writes_after_them(board, admin, task):
    await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "blocked", "blocked_reason": "b"})
    await emptied(board, "engineer")
    # On a blocked task an agent's words wake nobody, so they are written down as skipped and merge with nothing.
    await say(board, task, "I unblock it soon.")
    await say(board, task, "Noted.", who="orchestrator")
    (one,) = await waiting(admin, board, "engineer")
    assert (one["content"], one["reason"], one["merged"]) == ("I unblock it soon.", "person_wrote", 0)
    skipped = "SELECT count(*) FROM notifications WHERE reason = 'task_blocked' AND type = 'thread_update' AND recipient_id = $1"
    assert await admin.fetchval(skipped, await board.agent_id("engineer")) == 1
    await emptied(board, "engineer")
    await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "assigned"})
    await emptied(board, "engineer")
    await say(board, task, "Mind the cable.")
    await say(board, task, "I shall.", who="orchestrator")
    (one,) = await waiting(admin, board, "engineer")
    assert (one["content"], one["body"], one["merged"]) == ("I shall.", "I shall.", 1)
    assert (one["actor_kind"], one["reason"], one["caused_by_type"], one["depth"]) == ("person", "person_wrote", None, 0)


async def test_calls_by_name_and_people_never_merge(board, admin, task):
    for _ in range(2):
        await say(board, task, "@engineer please look.")
    assert [one["type"] for one in await waiting(admin, board, "engineer")] == ["mention", "mention"]
    told = "SELECT count(*), max(merged) FROM notifications WHERE recipient_kind = 'person' AND type = 'thread_update'"
    for number in range(2):
        await say(board, task, f"Answer {number}.", who="engineer")
    assert tuple(await admin.fetchrow(told)) == (2, 0)


async def test_what_waits_for_half_a_day_takes_nothing_in_any_more(board, admin, task):
    await say(board, task, "Early.")
    await admin.execute(OLD)
    await say(board, task, "Late.")
    await say(board, task, "Later.")
    early, late = await waiting(admin, board, "engineer")
    assert (early["content"], early["merged"], early["taken_at"] is None) == ("Early.", 0, False)
    assert (late["content"], late["merged"], late["taken_at"]) == ("Later.", 1, None)
    assert [notice["body"] for notice in await emptied(board, "engineer")] == ["Early.", "Later."]


async def test_an_update_is_not_merged_into_one_that_would_reach_its_agent_another_way(board, admin, task):
    await say(board, task, "Fetched.")
    await admin.execute(
        "UPDATE agents SET reach = 'gateway', profile_id = (SELECT id FROM executor_profiles LIMIT 1) WHERE slug = 'engineer'"
    )
    await say(board, task, "Sent.")
    await say(board, task, "Sent too.")
    fetched, sent = await waiting(admin, board, "engineer")
    assert (fetched["content"], fetched["command_id"], fetched["taken_at"] is None) == ("Fetched.", None, False)
    assert (sent["content"], sent["merged"], sent["command_id"] is None) == ("Sent too.", 1, False)
    await admin.execute("UPDATE runtime_commands SET state = 'canceled' WHERE id = $1", sent["command_id"])
    await say(board, task, "Sent again.")
    *_, ended, again = await waiting(admin, board, "engineer")
    assert (ended["id"], again["content"], again["merged"]) == (sent["id"], "Sent again.", 0)


async def test_a_message_takes_four_round_trips_and_five_where_one_waits(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        task = await board.task(assignee_slugs=["engineer"])

        async def talk():
            return await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "On."})

        merging = await sent_by(talk)

        async def fresh():
            for who in ("engineer", "orchestrator"):
                await emptied(board, who)
            Counted.begin()
            return await talk()

        assert (merging, await sent_by(fresh)) == (5, 4)


async def test_posters_race_a_taker_and_every_message_is_offered(board, admin, task):
    posters, each = 4, 8
    over, offered = asyncio.Event(), list[dict]()

    async def post(number):
        for place in range(each):
            await say(board, task, f"{number}.{place}")

    async def take():
        acks: tuple[str, ...] = ()
        while True:
            was_over = over.is_set()
            notice = await fetch(board, "engineer", *acks)
            acks = (notice["id"],) if notice else ()
            if notice:
                offered.append(notice)
            elif was_over:
                return

    taking = asyncio.create_task(take())
    await asyncio.gather(*(post(number) for number in range(posters)))
    over.set()
    await taking
    total = posters * each
    told = "SELECT id, merged, state FROM notifications WHERE type = 'thread_update' AND recipient_id = $1"
    rows = await admin.fetch(told, await board.agent_id("engineer"))
    assert sorted(str(row["id"]) for row in rows) == sorted(notice["id"] for notice in offered)
    assert sum(row["merged"] + 1 for row in rows) == total
    assert {row["state"] for row in rows} == {"delivered"}
    assert await seen(admin, board, task, "engineer") == total
    assert (await unread(board, task, "engineer")).rows == ()
    placed = await admin.fetch("SELECT position FROM messages WHERE task_id = $1 ORDER BY position", task["id"])
    assert [row["position"] for row in placed] == list(range(1, total + 1))
