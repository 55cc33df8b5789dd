"""Replaying one dead letter: the same command begins anew, once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from app.kernel.types import ActorKind, Principal
from app.runtime.rules.profiles import profile_of
from app.runtime.service import enqueue
from app.runtime.types import ErrorClass
from tests import make
from tests.runtime.letters.desk import (
    KIND,
    LETTERS,
    Workshop,
    all_are,
    command,
    died,
    discard,
    enqueued,
    letter,
    letters_are,
    replay,
    told,
    working,
)

CLEARED = ("lost", "released", "waited")


async def test_a_replay_queues_the_same_command_with_a_fresh_budget(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin, payload={"word": "käse"})
    before = await command(admin, letter_id)
    answer = await replay(board, letter_id)
    assert answer.status_code == 200, answer.text
    after = await command(admin, letter_id)
    assert {name: before[name] for name in ("id", "type", "idempotency_key", "payload", "created_at", "attempt")} == {
        name: after[name] for name in ("id", "type", "idempotency_key", "payload", "created_at", "attempt")
    }
    assert (after["state"], after["spent"]) == ("queued", before["attempt"])
    assert [after[name] for name in CLEARED] == [0, 0, 0]
    assert [after[name] for name in ("first_started_at", "finished_at", "retention_until", "result")] == [None] * 4
    assert after["run_at"] > before["run_at"]


async def test_who_replayed_stands_on_the_letter_and_in_the_log(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    answer = await replay(board, letter_id)
    shown, row = answer.json(), await letter(admin, letter_id)
    person = await admin.fetchval("SELECT id FROM people")
    request_id = answer.headers["X-Request-ID"]
    assert (row["state"], row["replay_count"], row["replayed_by_id"], row["replay_request_id"]) == (
        "replaying",
        1,
        person,
        request_id,
    )
    assert (shown["status"], shown["replay_count"], shown["replayed_by_id"]) == ("replaying", 1, str(person))
    for kind, state in (("replay_requested", "replay_requested"), ("queued", "queued")):
        [event] = await told(admin, f"runtime:command:{kind}")
        assert (event["entity_id"], event["actor_id"], event["request_id"]) == (row["command_id"], person, request_id)
        assert (event["payload"]["state"], event["payload"]["replay_count"]) == (state, 1)
    assert shown == (await board.person.get(LETTERS)).json()["items"][0]


async def test_a_replay_without_a_key_is_refused_and_says_so(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    for path in (f"{LETTERS}/{letter_id}/replay", f"{LETTERS}/replay"):
        answer = await board.person.post(path, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_request")
        assert "Idempotency-Key" in answer.json()["error"]["message"]
    assert (await board.client(None).post(f"{LETTERS}/{letter_id}/replay")).status_code == 401
    assert (await letter(admin, letter_id))["state"] == "open"


async def test_the_same_key_twice_is_one_replay_and_the_stored_answer(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    first, second = await replay(board, letter_id, key="k"), await replay(board, letter_id, key="k")
    assert (first.status_code, second.status_code, second.json()) == (200, 200, first.json())
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (await letter(admin, letter_id))["replay_count"] == 1
    assert len(await told(admin, "runtime:command:replay_requested")) == 1


async def test_many_racers_replay_it_once(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    answers = await asyncio.gather(*[replay(board, letter_id) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
    assert (await letter(admin, letter_id))["replay_count"] == 1
    assert len(await told(admin, "runtime:command:queued")) == 1


async def test_a_replay_and_a_discard_race_for_one_verdict(board, urls, admin):
    letters = await died(board, urls[1], admin, 6)
    for letter_id in letters:
        pair = await asyncio.gather(replay(board, letter_id), discard(board, letter_id))
        assert sorted(answer.status_code for answer in pair) == [200, 409]
        row, state = await letter(admin, letter_id), (await command(admin, letter_id))["state"]
        assert (row["state"], state) in {("replaying", "queued"), ("discarded", "dead_lettered")}


async def test_no_agent_replays(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    for who in ("engineer", "reviewer", "orchestrator"):
        assert (await replay(board, letter_id, who=who)).status_code == 403
        assert (await board.as_(who).get(LETTERS)).status_code == 403
    assert (await letter(admin, letter_id))["state"] == "open"


async def test_only_admins_read_and_replay(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    await admin.execute("UPDATE people SET role = 'member'")
    assert (await board.person.get(LETTERS)).status_code == 403
    assert (await replay(board, letter_id)).status_code == 403
    assert (await discard(board, letter_id)).status_code == 403
    assert (await letter(admin, letter_id))["state"] == "open"


async def test_what_expires_gets_the_span_that_it_had(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin, expires_seconds=3600)
    hour, past = (
        timedelta(hours=1),
        "UPDATE runtime_commands SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval",
    )
    for _ in range(2):
        await admin.execute(past, timedelta(days=2))
        await admin.execute("UPDATE runtime_dead_letters SET replayed_at = replayed_at - $1::interval", timedelta(days=2))
        assert (await replay(board, letter_id)).status_code == 200
        row = await command(admin, letter_id)
        assert row["expires_at"] - row["updated_at"] == hour
        await admin.execute("UPDATE runtime_dead_letters SET state = 'open'")
        await admin.execute("UPDATE runtime_commands SET state = 'dead_lettered'")


async def test_a_replay_that_succeeds_resolves_the_letter(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    before = await command(admin, letter_id)
    assert (await replay(board, letter_id)).status_code == 200
    workshop = Workshop()
    workshop.mend()
    async with working(board, urls[1], workshop.handlers):
        await make.until(lambda: letters_are(admin, "resolved", 1))
    row = await letter(admin, letter_id)
    assert (row["replay_count"], row["resolved_at"] is None) == (1, False)
    assert workshop.done == [before["id"]]
    after = await command(admin, letter_id)
    assert (after["state"], after["attempt"]) == ("succeeded", before["attempt"] + 1)
    assert (await replay(board, letter_id)).status_code == 409


async def test_a_replay_that_fails_keeps_the_letter_and_raises_one_alert(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    for times in (1, 2):
        assert (await replay(board, letter_id)).status_code == 200
        async with working(board, urls[1], Workshop().handlers):
            await make.until(lambda: letters_are(admin, "open", 1))
        row = await letter(admin, letter_id)
        assert (row["replay_count"], row["attempts"]) == (times, times + 1)
        [alert] = await admin.fetch("SELECT * FROM runtime_alerts")
        assert (alert["fingerprint"], alert["cleared_at"]) == (f"dead_letter:{row['command_id']}", None)
        assert alert["seen"] == times
    assert len(await told(admin, "ops:alert:raised")) == 1


async def test_a_lane_has_moved_on_so_the_command_goes_to_its_end(board, urls, admin):
    lane = uuid4()
    [letter_id] = await died(board, urls[1], admin, lane_id=lane)
    first = (await command(admin, letter_id))["id"]
    later = await enqueued(board, 2, lane_id=lane)
    assert (await replay(board, letter_id)).status_code == 200
    assert (await command(admin, letter_id))["lane_seq"] == 4
    workshop = Workshop()
    workshop.mend()
    async with working(board, urls[1], workshop.handlers):
        await make.until(lambda: all_are(admin, [*later, first], "succeeded"))
    assert workshop.done == [*later, first]
    assert await admin.fetchval("SELECT state = 'idle' AND done_seq = last_seq FROM runtime_lanes")


async def test_an_idle_lane_is_woken_by_a_replay(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin, lane_id=uuid4())
    assert await admin.fetchval("SELECT state FROM runtime_lanes") == "idle"
    workshop = Workshop()
    workshop.mend()
    async with working(board, urls[1], workshop.handlers):
        assert (await replay(board, letter_id)).status_code == 200
        await make.until(lambda: letters_are(admin, "resolved", 1))


async def halted(board, urls, admin):
    """The letter that a lane waits for, and the commands that stand behind it."""
    lane = uuid4()
    [letter_id] = await died(board, urls[1], admin, lane_id=lane, profile="manual_review")
    behind = await enqueued(board, 2, lane_id=lane)
    assert await admin.fetchval("SELECT state FROM runtime_lanes") == "halted"
    return letter_id, behind


async def test_a_lane_that_waits_for_the_verdict_goes_on_with_the_replay(board, urls, admin):
    letter_id, behind = await halted(board, urls, admin)
    assert (await replay(board, letter_id)).status_code == 200
    row = await command(admin, letter_id)
    assert (row["lane_seq"], await admin.fetchval("SELECT state FROM runtime_lanes")) == (1, "ready")
    workshop = Workshop()
    workshop.mend()
    async with working(board, urls[1], workshop.handlers):
        await make.until(lambda: all_are(admin, [*behind, row["id"]], "succeeded"))
    assert workshop.done == [row["id"], *behind]


async def test_a_lane_that_waits_for_the_verdict_goes_on_without_what_is_discarded(board, urls, admin):
    letter_id, behind = await halted(board, urls, admin)
    assert (await discard(board, letter_id)).status_code == 200
    workshop = Workshop()
    workshop.mend()
    async with working(board, urls[1], workshop.handlers):
        await make.until(lambda: all_are(admin, behind, "succeeded"))
    assert workshop.done == behind
    assert await admin.fetchval("SELECT state = 'idle' AND done_seq = last_seq FROM runtime_lanes")


async def test_who_asked_for_what_needs_approval_does_not_replay_it(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin, profile="manual_review")
    await admin.execute("UPDATE runtime_commands SET actor_kind = 'person', actor_id = (SELECT id FROM people)")
    answer = await replay(board, letter_id)
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "own_request")
    assert (await letter(admin, letter_id))["state"] == "open"


async def test_what_a_replay_could_never_help_is_shown_and_refused(board, urls, admin):
    letters = await died(board, urls[1], admin, 3)
    assert (await board.person.get(f"{LETTERS}/{letters[0]}")).json()["eligible_for_replay"] is True
    changes = {
        "profile_forbids": "UPDATE runtime_commands SET profile = 'best_effort' WHERE id = $1",
        "unknown_type": "UPDATE runtime_commands SET type = 'gone.forever' WHERE id = $1",
        "not_eligible": "UPDATE runtime_dead_letters SET eligible_for_replay = false WHERE command_id = $1",
    }
    for letter_id, (reason, change) in zip(letters, changes.items(), strict=True):
        await admin.execute(change, (await command(admin, letter_id))["id"])
        assert (await board.person.get(f"{LETTERS}/{letter_id}")).json()["eligible_for_replay"] is False
        answer = await replay(board, letter_id)
        assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (409, reason)
        assert (await command(admin, letter_id))["state"] == "dead_lettered"


async def test_a_letter_under_a_profile_without_replay_says_so_from_the_start(board, urls, admin):
    [command_id] = await enqueued(board, profile="best_effort")

    def with_letters(_account_id, name):
        return replace(profile_of(name), dead_letter=True)

    async with working(board, urls[1], Workshop().handlers, profiles=with_letters):
        await make.until(lambda: all_are(admin, [command_id], "dead_lettered"))
    assert await admin.fetchval("SELECT eligible_for_replay FROM runtime_dead_letters") is False


async def test_a_letter_of_another_account_is_absent(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    other = await make.account(admin)
    await admin.execute("INSERT INTO event_counters (account_id) VALUES ($1) ON CONFLICT DO NOTHING", other)
    hidden = await died_elsewhere(board, urls, admin, other)
    for wanted in (hidden, uuid4()):
        assert (await replay(board, wanted)).status_code == 404
        assert (await discard(board, wanted)).status_code == 404
        assert (await board.person.get(f"{LETTERS}/{wanted}")).status_code == 404
    assert [one["id"] for one in (await board.person.get(LETTERS)).json()["items"]] == [str(letter_id)]


async def died_elsewhere(board, urls, admin, account_id):
    async with board.database.transaction(account_id, origin=make.ORIGIN) as tx:
        actor = Principal(kind=ActorKind.SYSTEM, id=uuid4(), account_id=account_id, name="x")
        command_id = enqueue(tx, make.order(type=KIND), actor=actor)
    async with working(board, urls[1], Workshop(ErrorClass.DENIED).handlers):
        await make.until(lambda: all_are(admin, [command_id], "dead_lettered"))
    return await admin.fetchval("SELECT id FROM runtime_dead_letters WHERE command_id = $1", command_id)
