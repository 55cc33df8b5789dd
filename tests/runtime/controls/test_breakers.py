"""Breakers in the database: shared by all, one probe at a time, and nothing written while all is well."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from app.kernel.errors import CircuitOpen
from app.runtime import breakers
from app.runtime.breakers import Call, guarded
from app.runtime.controls import steered
from app.runtime.handlers import Failed, failure_of
from app.runtime.types import ErrorClass
from tests import make
from tests.runtime.controls import desk

PLACE = "https://gateway.example:443"
ROW = "SELECT state, failures, last_error, version FROM runtime_breakers"
TIME_IS_UP = "UPDATE runtime_breakers SET retry_at = now()"


@pytest.fixture
async def steady(database):
    async with steered(database):
        yield database


@asynccontextmanager
async def calling(database, account, *, seconds=30.0, dependency=PLACE):
    call = Call(account_id=account, dependency=dependency, timeout=seconds, origin=make.ORIGIN)
    async with guarded(database, call):
        yield


async def fails(database, account, *, error=ErrorClass.UNAVAILABLE, times=1):
    for _ in range(times):
        with pytest.raises(Failed):
            async with calling(database, account):
                raise Failed(error, "no connection")


async def succeeds(database, account):
    async with calling(database, account):
        pass


async def is_refused(database, account):
    with pytest.raises(CircuitOpen) as refusal:
        await succeeds(database, account)
    return refusal.value


async def row(admin):
    found = await admin.fetchrow(ROW)
    return tuple(found) if found else None


async def events(admin):
    rows = await admin.fetch("SELECT type, sequence FROM events WHERE type LIKE 'runtime:breaker:%' ORDER BY seq")
    return [(row["type"].removeprefix("runtime:breaker:"), row["sequence"]) for row in rows]


async def opened(database, account):
    await fails(database, account, times=5)


async def test_while_all_is_well_nothing_is_written(steady, account, admin):
    await succeeds(steady, account)
    assert await row(admin) is None


async def test_it_opens_after_five_failures_and_says_how_long_to_wait(steady, account, admin):
    await fails(steady, account, times=4)
    assert (await row(admin))[:3] == ("closed", 4, "no connection")
    assert await events(admin) == []
    await fails(steady, account)
    refusal = await is_refused(steady, account)
    assert (refusal.code, refusal.details["dependency"]) == ("circuit_open", PLACE)
    assert 55 <= refusal.retry_after <= 60
    assert await events(admin) == [("opened", 5)]
    failure = failure_of(refusal)
    assert (failure.error, failure.retry_after) == (ErrorClass.UNAVAILABLE, refusal.retry_after)


async def test_a_success_between_failures_forgets_them(steady, account, admin):
    await fails(steady, account, times=4)
    await succeeds(steady, account)
    assert (await row(admin))[:2] == ("closed", 0)
    await fails(steady, account, times=4)
    await succeeds(steady, account)


async def test_what_the_dependency_refuses_does_not_open_it(steady, account, admin):
    for error in (ErrorClass.VALIDATION, ErrorClass.AUTH, ErrorClass.NOT_FOUND, ErrorClass.TRANSIENT):
        await fails(steady, account, error=error, times=6)
    assert await row(admin) is None


async def test_a_call_that_was_broken_off_says_nothing(steady, account, admin):
    for _ in range(6):
        with pytest.raises(asyncio.CancelledError):
            async with calling(steady, account):
                raise asyncio.CancelledError
    assert await row(admin) is None


async def test_of_many_callers_one_probes_and_its_success_closes_it(steady, account, admin):
    await opened(steady, account)
    await admin.execute(TIME_IS_UP)
    inside, leave = [], asyncio.Event()

    async def call(number):
        async with calling(steady, account):
            inside.append(number)
            await leave.wait()

    callers = [asyncio.create_task(call(number)) for number in range(8)]

    async def only_one_is_left():
        return sum(caller.done() for caller in callers) == 7

    await make.until(only_one_is_left)
    assert len(inside) == 1
    leave.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert len(refusals) == 7
    assert all(isinstance(refusal, CircuitOpen) and (refusal.retry_after or 99) <= 5 for refusal in refusals)
    assert (await row(admin))[:2] == ("closed", 0)
    assert [kind for kind, _ in await events(admin)] == ["opened", "half_opened", "closed"]
    await succeeds(steady, account)


async def test_a_probe_that_fails_opens_it_again(steady, account, admin):
    await opened(steady, account)
    await admin.execute(TIME_IS_UP)
    await fails(steady, account)
    assert await is_refused(steady, account)
    assert [kind for kind, _ in await events(admin)] == ["opened", "half_opened", "opened"]


async def test_a_probe_that_is_refused_closes_it(steady, account, admin):
    """Who refuses is alive."""
    await opened(steady, account)
    await admin.execute(TIME_IS_UP)
    await fails(steady, account, error=ErrorClass.VALIDATION)
    assert (await row(admin))[0] == "closed"


async def test_a_probe_that_dies_is_replaced_and_a_late_word_of_it_counts_for_nothing(steady, account, admin):
    await opened(steady, account)
    await admin.execute(TIME_IS_UP)
    leave = asyncio.Event()

    async def zombie():
        async with calling(steady, account, seconds=0.05):
            await leave.wait()

    late = asyncio.create_task(zombie())

    async def is_half_open():
        return (await row(admin))[0] == "half_open"

    await make.until(is_half_open)
    await asyncio.sleep(0.06)
    await fails(steady, account)
    assert (await row(admin))[0] == "open"
    leave.set()
    await late
    assert (await row(admin))[0] == "open"
    await is_refused(steady, account)


async def test_failures_at_once_are_all_counted(steady, account, admin):
    await asyncio.gather(*[fails(steady, account) for _ in range(4)])
    assert (await row(admin))[:2] == ("closed", 4)


async def test_all_processes_know_of_it(urls, steady, account, admin):
    await opened(steady, account)
    async with make.opened(urls[1], subscribers={}) as other, steered(other):
        await is_refused(other, account)
        await admin.execute(TIME_IS_UP)
        await succeeds(other, account)
    await succeeds(steady, account)


async def test_it_is_known_by_account_and_by_dependency(steady, account, admin):
    await opened(steady, account)
    await succeeds(steady, await make.account(admin))
    async with calling(steady, account, dependency="https://other.example:443"):
        pass


async def test_its_numbers_are_settings(board, admin):
    await desk.set_(board, "breaker.failures", 2)
    await desk.set_(board, "breaker.seconds", 7)

    async def are_known():
        controls = board.database.controls
        return controls.limit(board.account_id, "breaker.seconds") == 7

    await make.until(are_known)
    await fails(board.database, board.account_id, times=2)
    assert (await is_refused(board.database, board.account_id)).retry_after <= 7


async def test_an_answer_is_not_lost_because_the_breaker_cannot_be_told(steady, account, admin, monkeypatch):
    await fails(steady, account)

    async def breaks(*_args, **_fields):
        raise ConnectionError

    monkeypatch.setattr(breakers, "_settle", breaks)
    await succeeds(steady, account)
    with pytest.raises(Failed):
        async with calling(steady, account):
            raise Failed(ErrorClass.UNAVAILABLE, "no connection")


async def test_operators_see_breakers_and_close_them(board, admin):
    await opened(board.database, board.account_id)
    (found,) = desk.ok(await board.person.get(f"{desk.RUNTIME}/breakers"))["items"]
    assert (found["dependency"], found["state"], found["failures"], found["last_error"]) == (PLACE, "open", 5, "no connection")
    asked = {"dependency": PLACE, "reason": desk.WHY}
    closed = desk.ok(await board.person.post(f"{desk.RUNTIME}/breakers/reset", json=asked))
    assert (closed["state"], closed["failures"], closed["retry_at"]) == ("closed", 0, None)
    await succeeds(board.database, board.account_id)
    (event,) = await desk.told(admin, "runtime:breaker:closed")
    assert (event["actor_kind"], event["reason"]) == ("person", desk.WHY)
    desk.ok(await board.person.post(f"{desk.RUNTIME}/breakers/reset", json=asked))
    assert len(await desk.told(admin, "runtime:breaker:closed")) == 1
    unknown = await board.person.post(f"{desk.RUNTIME}/breakers/reset", json=asked | {"dependency": "nowhere"})
    desk.refused(unknown, 404)


async def test_breakers_are_listed_page_by_page(board):
    places = [f"https://{letter}.example:443" for letter in "abc"]
    for place in places:
        with pytest.raises(Failed):
            async with calling(board.database, board.account_id, dependency=place):
                raise Failed(ErrorClass.UNAVAILABLE, "no connection")
    first = desk.ok(await board.person.get(f"{desk.RUNTIME}/breakers", params={"limit": 2}))
    rest = desk.ok(await board.person.get(f"{desk.RUNTIME}/breakers", params={"cursor": first["next_cursor"]}))
    assert [item["dependency"] for item in first["items"] + rest["items"]] == places
    assert rest["next_cursor"] is None
