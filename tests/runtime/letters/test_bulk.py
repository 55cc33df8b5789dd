"""Replaying by cause: all of it, once, and nothing lost on the way."""

import asyncio
from typing import Any
from uuid import uuid4

from app.kernel import db
from app.runtime.rules.letters import ONLY_IF_NAMED
from app.runtime.types import ErrorClass
from tests import boards, make
from tests.kernel.test_sql import Counted
from tests.runtime.letters.crew import crew
from tests.runtime.letters.desk import (
    ALERTS,
    KIND,
    OTHER,
    Workshop,
    all_are,
    command,
    died,
    enqueued,
    letter,
    letters_are,
    replay_many,
    seeded,
    told,
    working,
)

REPLAYING = "SELECT count(*) FROM runtime_dead_letters WHERE state = 'replaying'"


async def test_what_a_broken_handler_buried_succeeds_once_it_is_mended(board, urls, admin):
    letters = await died(board, urls[1], admin, 20)
    workshop = Workshop()
    async with working(board, urls[1], workshop.handlers):
        assert (await replay_many(board, command_type=KIND)).json() == {"replayed": 20, "remaining": 0}
        await make.until(lambda: letters_are(admin, "open", 20))
        assert len((await board.person.get(ALERTS, params={"state": "open"})).json()["items"]) == 20
        workshop.mend()
        assert (await replay_many(board, command_type=KIND)).json() == {"replayed": 20, "remaining": 0}
        await make.until(lambda: letters_are(admin, "resolved", 20))
    assert sorted(workshop.done) == sorted([(await letter(admin, one))["command_id"] for one in letters])
    assert (await board.person.get(ALERTS, params={"state": "open"})).json()["items"] == []
    assert len(await told(admin, "ops:alert:raised")) == len(await told(admin, "ops:alert:cleared")) == 20


async def test_a_replay_by_cause_takes_the_oldest_and_says_what_remains(board, admin):
    letters = [await seeded(admin, board.account_id, days=days) for days in (3, 9, 6)]
    await seeded(admin, board.account_id, reason_class="internal")
    await seeded(admin, board.account_id, type=OTHER)
    wanted: Any = {"reason_class": "transient", "command_type": KIND, "most": 2}
    assert (await replay_many(board, **wanted)).json() == {"replayed": 2, "remaining": 1}
    assert [(await letter(admin, one))["state"] for one in letters] == ["open", "replaying", "replaying"]
    assert (await replay_many(board, **wanted)).json() == {"replayed": 1, "remaining": 0}
    assert (await replay_many(board, **wanted)).json() == {"replayed": 0, "remaining": 0}
    assert await admin.fetchval(REPLAYING) == 3


async def test_each_replayed_command_has_its_events_and_its_actor(board, admin):
    for _ in range(3):
        await seeded(admin, board.account_id)
    await replay_many(board, reason_class="transient")
    person = await admin.fetchval("SELECT id FROM people")
    for kind in ("replay_requested", "queued"):
        events = await told(admin, f"runtime:command:{kind}")
        assert len({event["entity_id"] for event in events}) == 3
        assert {event["actor_id"] for event in events} == {person}
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters WHERE replayed_by_id = $1", person) == 3


async def test_a_replay_of_everything_leaves_out_what_needs_a_mended_cause(board, admin):
    for reason in ErrorClass:
        await seeded(admin, board.account_id, reason_class=reason)
    usual = len(ErrorClass) - len(ONLY_IF_NAMED)
    assert (await replay_many(board)).json() == {"replayed": usual, "remaining": 0}
    assert (await replay_many(board, reason_class="worker_lost")).json() == {"replayed": 1, "remaining": 0}
    assert (await replay_many(board, command_type=KIND)).json() == {"replayed": len(ONLY_IF_NAMED) - 1, "remaining": 0}


LEFT = (
    "UPDATE runtime_commands SET profile = 'best_effort' WHERE id = $1",
    "UPDATE runtime_commands SET profile = 'manual_review' WHERE id = $1",
    "UPDATE runtime_commands SET type = 'gone.forever' WHERE id = $1",
    "UPDATE runtime_commands SET state = 'canceled' WHERE id = $1",
    "UPDATE runtime_dead_letters SET eligible_for_replay = false WHERE command_id = $1",
    "UPDATE runtime_dead_letters SET state = 'discarded' WHERE command_id = $1",
    "UPDATE runtime_dead_letters SET state = 'resolved' WHERE command_id = $1",
)


async def test_what_is_not_to_be_replayed_with_others_is_left(board, admin):
    for change in LEFT:
        letter_id = await seeded(admin, board.account_id)
        await admin.execute(change, (await letter(admin, letter_id))["command_id"])
        assert (await replay_many(board, reason_class="transient")).json() == {"replayed": 0, "remaining": 0}, change


async def test_a_cause_that_makes_no_sense_is_refused(board, admin):
    for body in ({"most": 0}, {"most": 1001}, {"reason_class": "bad luck"}, {"command_type": "no.such"}, {"x": 1}):
        assert (await replay_many(board, **body)).status_code == 422, body


async def test_two_replays_of_one_cause_share_the_letters(board, admin):
    for _ in range(30):
        await seeded(admin, board.account_id)
    answers = await asyncio.gather(*[replay_many(board, reason_class="transient", most=10) for _ in range(4)])
    assert sum(answer.json()["replayed"] for answer in answers) == len(await told(admin, "runtime:command:replay_requested"))
    await replay_many(board, reason_class="transient")
    assert await admin.fetchval("SELECT bool_and(replay_count = 1 AND state = 'replaying') FROM runtime_dead_letters")
    assert len(await told(admin, "runtime:command:queued")) == 30


async def test_letters_of_one_lane_keep_their_order_behind_what_waits(board, urls, admin):
    lanes = [uuid4(), uuid4()]
    letters = [await died(board, urls[1], admin, 3, lane_id=lane) for lane in lanes]
    waiting = [await enqueued(board, 1, lane_id=lane) for lane in lanes]
    assert (await replay_many(board, command_type=KIND)).json()["replayed"] == 6
    for of_lane in letters:
        assert [(await command(admin, one))["lane_seq"] for one in of_lane] == [5, 6, 7]
    workshop = Workshop()
    workshop.mend()
    async with working(board, urls[1], workshop.handlers):
        await make.until(lambda: letters_are(admin, "resolved", 6))
    for of_lane, [first] in zip(letters, waiting, strict=True):
        ids = [first, *[(await command(admin, one))["id"] for one in of_lane]]
        assert [one for one in workshop.done if one in ids] == ids


async def test_many_letters_take_as_many_statements_as_a_few(urls, admin, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        sent = []
        for many in (1, 3, 60):
            for _ in range(many):
                await seeded(admin, board.account_id)
            Counted.begin()
            assert (await replay_many(board, reason_class="transient")).json() == {"replayed": many, "remaining": 0}
            # What the process reads for itself meanwhile is about no letter.
            sent.append(len([query for query in Counted.sent if "runtime_dead_letters" in query]))
    # The letters, what remains, and one statement that writes all.
    assert sent == [3, 3, 3]


async def test_killed_workers_lose_no_replayed_command(board, urls, admin):
    await admin.execute("CREATE TABLE effects (account_id uuid, command_id uuid); GRANT INSERT ON effects TO callboard_app")
    letters = await died(board, urls[1], admin, 300)
    async with crew(urls[1]) as start:
        worker = await start()
        assert (await replay_many(board, command_type=KIND)).json()["replayed"] == 300
        for least in (20, 120):
            await make.until(lambda least=least: has_effects(admin, least))
            worker.kill()
            await worker.wait()
            worker = await start()
        await make.until(lambda: letters_are(admin, "resolved", 300))
    ids = [(await letter(admin, one))["command_id"] for one in letters]
    assert await all_are(admin, ids, "succeeded")
    assert await admin.fetchval("SELECT count(*) = 300 AND count(DISTINCT command_id) = 300 FROM effects")
    assert await admin.fetchval("SELECT sum(lost) FROM runtime_commands") > 0


async def has_effects(admin, least):
    return await admin.fetchval("SELECT count(*) FROM effects") >= least
