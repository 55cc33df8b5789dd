"""The event stream: complete, in order, and no burden to anybody."""

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from app.events import queries, reading
from app.events import service as events
from app.events.pulses import Pulses
from app.events.streaming import Limits, Streams
from app.events.types import Wanted
from app.kernel.ids import new_id
from tests import make
from tests.events.listening import happen, listening

WRITERS, TRANSACTIONS = 6, 10


def streams_of(board):
    return board._application.app.state.streams


def is_idle(board) -> bool:
    pool = board._application.app.state.board.database.app
    return bool(pool.get_idle_size() == pool.get_size())


@asynccontextmanager
async def contexts(*managers):
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(manager) for manager in managers]


async def newest(board) -> int:
    return int(await board.database.runtime.fetchval(queries.HEAD, board.account_id))


async def test_a_stream_is_complete_and_in_order_while_others_write_and_commit_late(board, urls):
    async def write(database):
        for _ in range(TRANSACTIONS):
            async with database.transaction(board.account_id, origin=make.ORIGIN) as tx:
                for _ in range(random.randint(1, 3)):
                    events.record(tx, "test:thing:changed", entity=("thing", new_id()), actor=None, payload={})
                await tx.value("SELECT pg_sleep($1)", random.uniform(0, 0.02))

    before = await newest(board)
    async with (
        make.opened(urls[1], subscribers={}) as one,
        make.opened(urls[1], subscribers={}) as other,
        listening(board) as live,
        listening(board, "after=0") as whole,
    ):
        await asyncio.gather(*[write(database) for database in (one, other) for _ in range(WRITERS // 2)])
        after = await newest(board)
        await live.until(after - before)
        await whole.until(after)
    assert live.seqs == list(range(before + 1, after + 1))
    assert whole.seqs == list(range(1, after + 1))


async def test_who_comes_back_gets_exactly_what_it_missed(board):
    async with listening(board) as first:
        await happen(board.database, board.account_id)
        last = (await first.until(1))[-1]["seq"]
    await happen(board.database, board.account_id, 10)
    # The header wins over the address, which is the same as at first.
    async with listening(board, "after=0", last_event_id=str(last)) as again:
        await again.until(10)
        await happen(board.database, board.account_id)
        await again.until(11)
    assert again.seqs == list(range(last + 1, last + 12))


async def test_a_stream_begins_now_and_says_where(board):
    now = await newest(board)
    async with listening(board) as new:
        assert new.headers["content-type"] == "text/event-stream"
        assert new.raw == b"retry: 2000\nid: %d\n\n" % now
        await happen(board.database, board.account_id)
        await new.until(1)
    assert new.seqs == [now + 1]


async def test_a_stream_shows_what_its_filters_let_through(board, monkeypatch):
    # However rare the wanted events are, each read looks at a few only.
    monkeypatch.setattr(reading, "SCAN_MOST", 3)
    before = await newest(board)
    things = [await happen(board.database, board.account_id, 2, kind=f"test:thing:kind_{number}") for number in range(4)]
    filters = {
        "type=test:thing:kind_1": [2, 3],
        "type=test:&entity_kind=thing": list(range(8)),
        "entity_kind=cow": [],
        f"entity_id={things[3]}": [6, 7],
        f"type=test:thing:kind_2&entity_id={things[3]}": [],
    }
    for query, places in filters.items():
        async with listening(board, f"after=0&{query}") as filtered:
            await filtered.until(len(places))
            ours = [seq - before - 1 for seq in filtered.seqs if seq > before]
            assert ours == places, query


async def test_events_of_another_account_never_appear(board, admin):
    other = await make.account(admin)
    async with listening(board, "after=0") as stream:
        thing = await happen(board.database, other, 20)
        await happen(board.database, board.account_id, 2)
        await stream.until(await newest(board))
    assert {event["account_id"] for event in stream.events} == {str(board.account_id)}
    assert stream.seqs == list(range(1, await newest(board) + 1))
    async with listening(board, f"after=0&entity_id={thing}") as aimed, listening(board) as mark:
        await happen(board.database, board.account_id)
        await mark.until(1)
    assert aimed.events == []


async def test_a_revoked_token_ends_its_stream_and_no_other(board):
    answer = await board.person.post("/api/v1/tokens", json={"name": "wall", "email": "owner@example.com"})
    assert answer.status_code == 201, answer.text
    board.tokens["wall"] = answer.json()["token"]
    async with listening(board, who="wall") as ended, listening(board) as other:
        assert (await board.person.delete(f"/api/v1/tokens/{answer.json()['id']}")).status_code == 204

        async def has_ended() -> bool:
            return ended.has_ended

        await make.until(has_ended)
        seen = len(ended.events)
        await happen(board.database, board.account_id)
        await other.until(seen + 1)
        assert not other.has_ended
    assert len(ended.events) == seen


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [("after=-1", {}, 422), ("entity_id=x", {}, 422), ("", {"last_event_id": "x"}, 422), ("after=0", {}, 403)],
)
async def test_a_stream_that_cannot_be_is_refused_before_it_begins(board, query, headers, status):
    who = "engineer" if status == 403 else "owner@example.com"
    async with listening(board, query, who=who, **headers) as refused:
        assert refused.status == status


async def test_a_silent_stream_says_that_it_lives_and_holds_no_connection(board):
    streams_of(board).limits = Limits(keep_alive_seconds=0.05)
    # What it does not want to hear does not keep it from saying so.
    async with listening(board, "type=test:nothing:") as silent:
        await happen(board.database, board.account_id, 3)

        async def lives() -> bool:
            return silent.raw.count(b": keep-alive\n\n") > 3 and is_idle(board)

        await make.until(lives)
    assert silent.events == []
    streams_of(board).limits = Limits()
    async with listening(board):

        async def idle() -> bool:
            return is_idle(board)

        await make.until(idle)


async def test_a_client_that_takes_nothing_is_cut_off_and_harms_nobody(board):
    before = await newest(board)
    async with listening(board, f"after={before}") as stalled, listening(board, f"after={before}") as other:
        streams_of(board).limits = Limits(stall_seconds=0.2)
        stalled.takes.clear()
        await happen(board.database, board.account_id, 5)
        await other.until(5)

        async def alone() -> bool:
            return bool(streams_of(board)._open == 1)

        await make.until(alone)
        # The page that it did not take was its last.
        assert (stalled.events, stalled.pieces) == ([], 2)
        await happen(board.database, board.account_id)
        await other.until(6)
    assert other.seqs == list(range(before + 1, before + 7))


async def test_a_process_has_so_many_streams_and_no_more(board):
    streams_of(board).limits = Limits(most=1)
    async with listening(board), listening(board) as refused:
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    async with listening(board) as admitted:
        assert admitted.status == 200


async def test_many_who_ask_for_the_same_are_answered_by_few_reads(board, monkeypatch):
    reads = 0
    real = reading.stretch

    async def counted(tx, wanted, *, position):
        nonlocal reads
        reads += 1
        return await real(tx, wanted, position=position)

    async with contexts(*[listening(board) for _ in range(40)]) as crowd:
        monkeypatch.setattr(reading, "stretch", counted)
        await happen(board.database, board.account_id)
        for one in crowd:
            await one.until(1)
    assert reads < 20
    assert len({tuple(one.seqs) for one in crowd}) == 1


async def test_who_asks_while_a_read_runs_is_answered_by_a_later_one(urls, database, account, monkeypatch):
    real, begun, gate = reading.stretch, asyncio.Event(), asyncio.Event()

    async def gated(tx, wanted, *, position):
        found = await real(tx, wanted, position=position)
        begun.set()
        await gate.wait()
        return found

    monkeypatch.setattr(reading, "stretch", gated)
    who: Any = SimpleNamespace(principal=SimpleNamespace(account_id=account), origin=make.ORIGIN, wanted=Wanted())
    # With one connection the later read begins only when the earlier one has ended.
    async with make.opened(urls[1], subscribers={}, size=1) as narrow:
        streams = Streams(Pulses(narrow.runtime), wakes=narrow.wakes)
        early = asyncio.create_task(streams.stretch(narrow, who, position=0))
        await begun.wait()
        await happen(database, account)
        late = [asyncio.create_task(streams.stretch(narrow, who, position=0)) for _ in range(3)]
        await asyncio.sleep(0)
        gate.set()
        assert [one.position for one in await asyncio.gather(early, *late)] == [0, 1, 1, 1]
    assert streams._asked == {}


async def test_what_happens_while_nobody_listens_is_read_after_the_reconnect(board, admin):
    async with listening(board) as stream:
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'callboard-direct'")
        await happen(board.database, board.account_id, 3)
        await stream.until(3)
    assert len(stream.events) == 3


async def test_a_stopping_process_ends_its_streams_and_lets_none_in(board):
    async with listening(board) as stream:
        streams_of(board).stop()

        async def has_ended() -> bool:
            return stream.has_ended

        await make.until(has_ended)
        async with listening(board) as refused:
            assert refused.status == 503


async def test_a_lost_wake_up_is_made_up_for(database, account):
    moved: list = []
    pulses = Pulses(database.runtime)
    pulses.follow(lambda: [account], moved.append)
    await pulses._look()
    await pulses._look()
    assert moved == [account]
    await happen(database, account)
    await pulses._look()
    assert moved == [account, account]
