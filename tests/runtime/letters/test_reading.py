"""Dead letters as operators read them: pages, one letter, and what the causes come to."""

from datetime import datetime, timedelta
from uuid import uuid4

from app.runtime.types import ErrorClass
from tests import make
from tests.runtime.letters.desk import KIND, LETTERS, OTHER, Workshop, died, letters_are, replay, seeded, working

NAMES = {
    "id",
    "command_id",
    "command_type",
    "policy_profile",
    "reason_class",
    "message",
    "attempts",
    "eligible_for_replay",
    "replay_count",
    "status",
    "created_at",
    "retention_until",
    "replayed_at",
    "replayed_by_id",
    "replay_request_id",
    "resolved_at",
    "discarded_by_id",
    "discard_reason",
    "lane_id",
    "contract_version",
}


async def listed(board, **asked):
    answer = await board.person.get(LETTERS, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(board, **asked):
    return {one["id"] for one in (await listed(board, **asked))["items"]}


async def causes(board, **asked):
    answer = await board.person.get(f"{LETTERS}/analytics", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_letter_has_the_frozen_envelope(board, urls, admin):
    await died(board, urls[1], admin)
    [one] = (await listed(board))["items"]
    assert set(one) == NAMES
    expected = {"reason_class": "validation_failed", "message": "it is broken", "attempts": 1, "status": "open"}
    expected |= {"command_type": KIND, "replay_count": 0, "eligible_for_replay": True, "contract_version": "v1"}
    assert {name: one[name] for name in expected} == expected


async def test_one_letter_shows_its_payload_and_how_each_attempt_ended(board, urls, admin):
    lane = uuid4()
    [letter_id] = await died(board, urls[1], admin, payload={"word": "käse"}, lane_id=lane)
    await replay(board, letter_id)
    async with working(board, urls[1], Workshop(ErrorClass.DENIED).handlers):
        await make.until(lambda: letters_are(admin, "open", 1))
    shown = (await board.person.get(f"{LETTERS}/{letter_id}")).json()
    assert (shown["payload"], shown["command_status"], shown["lane_id"]) == ({"word": "käse"}, "dead_lettered", str(lane))
    assert (shown["reason_class"], shown["attempts"]) == ("forbidden", 2)
    errors = [(one["attempt"], one["outcome"], one["error_class"], one["error_message"]) for one in shown["errors"]]
    assert errors == [(2, "failed", "forbidden", "it is broken"), (1, "failed", "validation_failed", "it is broken")]


async def test_pages_show_each_letter_once_while_others_come(board, admin):
    made = {str(await seeded(admin, board.account_id)) for _ in range(25)}
    seen, cursor = [], None
    while True:
        page = await listed(board, limit=10, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["items"]]
        await seeded(admin, board.account_id)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert made <= set(seen)
    assert (await listed(board, limit=1000))["limit"] == 200


async def test_filters_keep_what_they_name(board, admin):
    now = await admin.fetchval("SELECT now()")
    old = str(await seeded(admin, board.account_id, days=10))
    done = str(await seeded(admin, board.account_id, state="resolved", replay_count=1))
    denied = str(await seeded(admin, board.account_id, reason_class="forbidden"))
    other = str(await seeded(admin, board.account_id, type=OTHER))
    everything = {old, done, denied, other}
    assert await ids(board) == everything
    assert await ids(board, state="resolved") == {done}
    assert await ids(board, reason_class="forbidden") == {denied}
    assert await ids(board, command_type=OTHER) == {other}
    assert await ids(board, until=(now - timedelta(days=1)).isoformat()) == {old}
    assert await ids(board, since=(now - timedelta(days=1)).isoformat()) == everything - {old}
    assert await ids(board, since=(now - timedelta(days=20)).isoformat(), until=now.isoformat(), state="discarded") == set()


async def test_a_filter_that_makes_no_sense_is_refused(board):
    for name, value in (
        ("state", "lost"),
        ("reason_class", "bad luck"),
        ("since", "yesterday"),
        ("since", "2026-01-01T00:00:00"),
        ("until", "9999-12-31T23:59:59-12:00"),
        ("cursor", "x"),
    ):
        assert (await board.person.get(LETTERS, params={name: value})).status_code == 422, (name, value)


async def test_the_causes_match_what_was_counted_by_hand(board, admin):
    account = board.account_id
    for state, count, days in (
        ("open", 0, 1),
        ("open", 0, 2),
        ("open", 1, 3),
        ("resolved", 1, 4),
        ("resolved", 3, 5),
        ("resolved", 1, 6),
        ("replaying", 1, 7),
        ("discarded", 0, 8),
    ):
        await seeded(admin, account, state=state, replay_count=count, days=days, attempts=5)
    await seeded(admin, account, reason_class="forbidden", days=2)
    await seeded(admin, account, reason_class="forbidden", type=OTHER, days=40)
    other = await make.account(admin)
    await seeded(admin, other)
    found = await causes(board)
    assert found["total"] == 10
    first, second, third = found["items"]
    numbers = {"count": 8, "share": 0.8, "open": 3, "replaying": 1, "resolved": 3, "discarded": 1, "replayed": 5, "replays": 7}
    numbers |= {"replay_success_rate": 0.75, "attempts": 40}
    assert {name: first[name] for name in numbers} == numbers
    assert (first["reason_class"], first["command_type"]) == ("transient", KIND)
    age = datetime.fromisoformat(first["newest"]) - datetime.fromisoformat(first["oldest"])
    assert round(age / timedelta(days=1)) == 7
    assert [(one["command_type"], one["count"], one["replay_success_rate"]) for one in (second, third)] == [
        (KIND, 1, None),
        (OTHER, 1, None),
    ]


async def test_the_causes_of_a_time_are_those_of_letters_written_then(board, admin):
    now = await admin.fetchval("SELECT now()")
    for days in (1, 5, 9):
        await seeded(admin, board.account_id, days=days)
    since, until = (now - timedelta(days=7)).isoformat(), (now - timedelta(days=3)).isoformat()
    assert [(await causes(board, **asked))["total"] for asked in ({}, {"since": since}, {"since": since, "until": until})] == [
        3,
        2,
        1,
    ]
    assert (await causes(board, until=(now - timedelta(days=30)).isoformat())) == {
        "items": [],
        "total": 0,
        "since": None,
        "until": (now - timedelta(days=30)).isoformat().replace("+00:00", "Z"),
    }
