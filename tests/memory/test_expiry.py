"""Expiry: an item is gone from that instant on, its rows a little later, and the name may be used anew."""

from datetime import datetime, timedelta

import pytest

from app.memory import queries, reading, service
from tests import make
from tests.boards import OWNER
from tests.memory.conftest import START
from tests.memory.desk import conflict, gone, got, kept, later, memory_events, put, refusal, rows_left

ABSENT = (404, "not_found")
DAY = 86_400


@pytest.fixture
async def run(board) -> str:
    return f"run/{(await board.task())['id']}"


@pytest.fixture
async def agent(board) -> str:
    return f"agent/{await board.agent_id('engineer')}"


async def purged(board, most: int = 1000) -> int:
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        return await service.purge_expired(tx, most)


async def test_an_item_is_absent_from_the_instant_of_its_expiry_on(board, run, admin):
    made = await kept(board, OWNER, f"{run}/plan", "old")
    made = await kept(board, OWNER, f"{run}/plan", 1, expires_in_seconds=60)
    assert datetime.fromisoformat(made["expires_at"]) == START + timedelta(seconds=60)
    await later(admin, 59.999999)
    assert (await got(board, OWNER, f"{run}/plan")).json()["content"] == 1
    await later(admin, 0.000001)
    for at, asked in ((f"{run}/plan", {}), (f"{run}/plan", {"version": 1}), (f"{run}/plan/versions", {})):
        assert refusal(await got(board, OWNER, at, **asked)) == ABSENT
    assert (await got(board, OWNER, run)).json()["items"] == []
    assert refusal(await gone(board, OWNER, f"{run}/plan")) == ABSENT
    assert [what for what, _, _ in await memory_events(admin)] == ["created", "updated"]
    assert (await purged(board), await purged(board)) == (2, 0)
    assert await rows_left(admin) == 0
    assert [(what, number) for what, number, _ in await memory_events(admin)][2:] == [("expired", 3)]


async def test_each_write_says_anew_when_it_expires(board, run, admin):
    await kept(board, OWNER, f"{run}/plan", 1, expires_in_seconds=60)
    await kept(board, OWNER, f"{run}/plan", 2)
    await later(admin, 3600)
    # What an earlier version would have had is no concern of the item's.
    assert (await got(board, OWNER, f"{run}/plan")).json()["content"] == 2
    assert (await got(board, OWNER, f"{run}/plan", version=1)).json()["content"] == 1
    assert await purged(board) == 0


async def test_a_name_is_written_anew_after_its_item_expired(board, agent, admin):
    first = await kept(board, OWNER, f"{agent}/style", "a", expected_version=0, expires_in_seconds=60)
    await later(admin, 60)
    assert conflict(await put(board, OWNER, f"{agent}/style", "b", expected_version=1)) == (409, "version_conflict", 0)
    second = await kept(board, OWNER, f"{agent}/style", "b", expected_version=0)
    assert second["memory_id"] != first["memory_id"]
    # Whoever still holds a version of the item before this one cannot write over it.
    assert second["version"] == 2
    assert second["created_at"] > first["created_at"]
    assert refusal(await got(board, OWNER, f"{agent}/style", version=1)) == ABSENT
    assert await purged(board) == 1
    assert (await got(board, OWNER, f"{agent}/style")).json()["content"] == "b"
    seen = [(what, number) for what, number, _ in await memory_events(admin)]
    assert seen == [("created", 1), ("created", 2), ("expired", 2)]


async def test_what_was_deleted_goes_thirty_days_later_and_is_not_called_expired(board, run, admin):
    await kept(board, OWNER, f"{run}/plan", "old")
    await gone(board, OWNER, f"{run}/plan")
    await later(admin, 30 * DAY - 1)
    assert (await got(board, OWNER, f"{run}/plan", version=1)).json()["content"] == "old"
    assert await purged(board) == 0
    await later(admin, 1)
    assert refusal(await got(board, OWNER, f"{run}/plan", version=1)) == ABSENT
    assert await purged(board) == 2
    assert [what for what, _, _ in await memory_events(admin)] == ["created", "deleted"]


async def test_a_purge_takes_at_most_what_it_is_told_and_what_is_left_stays_expired(board, run, admin):
    for name in ("a", "b"):
        for number in range(3):
            await kept(board, OWNER, f"{run}/{name}", number, expires_in_seconds=60)
    await kept(board, OWNER, f"{run}/c", "stays")
    await later(admin, 60)
    seen = []
    for _ in range(4):
        seen.append((await purged(board, 2), await rows_left(admin)))
        assert [one["name"] for one in (await got(board, OWNER, run)).json()["items"]] == ["c"]
        assert refusal(await got(board, OWNER, f"{run}/b")) == ABSENT
    assert seen == [(2, 5), (2, 3), (2, 1), (0, 1)]
    assert [what for what, _, _ in await memory_events(admin)].count("expired") == 2


async def test_what_somebody_is_writing_is_not_purged_from_under_them(board, run, admin):
    task_id = run.removeprefix("run/")
    await kept(board, OWNER, f"{run}/plan", 1, expires_in_seconds=60)
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        # Another's turn at the same name, as a writer takes it.
        await tx.row(queries.TURN, tx.account_id, "run", task_id, "plan")
        await later(admin, 60)
        assert await purged(board) == 0
    assert await purged(board) == 1


async def test_a_checkpoint_lasts_as_long_as_its_command_may_be_replayed(board, run, admin):
    task_id = run.removeprefix("run/")
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        await service.checkpoint(tx, task_id, "step", 1)
    for days, content in ((89, 1), (1, None)):
        await later(admin, days * DAY)
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            assert await reading.reached(tx, task_id, "step") == content
