"""Discarding a dead letter: for good, with a reason, once."""

from datetime import timedelta

from tests.runtime.letters.desk import LETTERS, command, died, discard, letter, replay, seeded, told


async def test_a_discarded_letter_says_by_whom_and_why_and_how_long_it_is_kept(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    answer = await discard(board, letter_id, "It was a test.")
    assert answer.status_code == 200, answer.text
    row, person = await letter(admin, letter_id), await admin.fetchval("SELECT id FROM people")
    assert (row["state"], row["discarded_by_id"], row["discard_reason"]) == ("discarded", person, "It was a test.")
    [event] = await told(admin, "runtime:dead_letter:discarded")
    assert (event["entity_id"], event["actor_id"], event["payload"]["reason"]) == (letter_id, person, "It was a test.")
    assert timedelta(days=89) < row["retention_until"] - event["at"] <= timedelta(days=90)
    assert (await command(admin, letter_id))["state"] == "dead_lettered"
    assert answer.json() == (await board.person.get(LETTERS)).json()["items"][0]


async def test_discarding_twice_changes_nothing(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    first, second = await discard(board, letter_id, "One."), await discard(board, letter_id, "Two.")
    assert (second.status_code, second.json()) == (200, first.json())
    assert len(await told(admin, "runtime:dead_letter:discarded")) == 1


async def test_what_was_discarded_is_not_replayed(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    await discard(board, letter_id)
    answer = await replay(board, letter_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")
    assert (await command(admin, letter_id))["state"] == "dead_lettered"


async def test_only_an_open_letter_is_discarded(board, admin):
    for state in ("replaying", "resolved"):
        letter_id = await seeded(admin, board.account_id, state=state)
        assert (await discard(board, letter_id)).status_code == 409
        assert (await letter(admin, letter_id))["state"] == state


async def test_a_discard_wants_a_reason_and_nothing_else(board, admin):
    letter_id = await seeded(admin, board.account_id)
    for body in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "r", "by": "me"}):
        assert (await board.person.post(f"{LETTERS}/{letter_id}/discard", json=body)).status_code == 422


async def test_a_discard_clears_the_alert_about_the_command(board, admin):
    letter_id = await seeded(admin, board.account_id)
    await admin.execute(
        """INSERT INTO runtime_alerts (account_id, id, fingerprint, kind, severity, message, entity_kind, entity_id)
           SELECT account_id, gen_random_uuid(), 'dead_letter:' || command_id, 'dead_letter', 'critical', 'm', 'command',
               command_id
           FROM runtime_dead_letters"""
    )
    await discard(board, letter_id, "Enough.")
    assert await admin.fetchval("SELECT cleared_at IS NOT NULL FROM runtime_alerts")
    [event] = await told(admin, "ops:alert:cleared")
    assert event["payload"]["reason"] == "Enough."


async def test_a_replay_that_is_canceled_before_it_ran_gives_the_letter_up(board, urls, admin):
    [letter_id] = await died(board, urls[1], admin)
    await replay(board, letter_id)
    command_id = (await command(admin, letter_id))["id"]
    answer = await board.person.post(f"/api/v1/admin/runtime/commands/{command_id}/cancel", json={"reason": "Not now."})
    assert answer.status_code == 200, answer.text
    row = await letter(admin, letter_id)
    assert (row["state"], row["discard_reason"]) == ("discarded", "Not now.")
    assert (row["discarded_by_id"], row["retention_until"] is None) == (await admin.fetchval("SELECT id FROM people"), False)
    assert (await replay(board, letter_id)).status_code == 409
