"""A full queue refuses at once, and takes again what it has room for."""

import asyncio

import pytest

from app.kernel.errors import STATUS, Invalid, Overloaded
from app.runtime.taxonomy import REGISTRY, command
from app.runtime.types import Idempotency, Queue
from tests import make
from tests.runtime.executor.desk import INVALID

MOST = 5


@pytest.fixture(autouse=True)
def _inbound():
    if all(kind.name != "test.inbound" for kind in REGISTRY.all()):

        @command("test.inbound", payload=dict, owner="tests", queue=Queue.INBOUND, idempotency=Idempotency.CALLER)
        async def _inbound(_attempt):
            """Nothing."""


def orders(many, **fields):
    return [make.order(type="test.inbound", **fields) for _ in range(many)]


async def test_a_full_queue_refuses_and_says_when_to_come_again(desk):
    await desk.setting("queue.inbound.most", MOST)
    await desk.enqueue(*orders(MOST))
    with pytest.raises(Overloaded) as refused:
        await desk.enqueue(*orders(1))
    assert STATUS[refused.value.code] == 503
    assert refused.value.retry_after
    assert await desk.admin.fetchval("SELECT count(*) FROM runtime_commands") == MOST


async def test_a_transaction_that_would_overfill_it_is_refused_as_a_whole(desk):
    await desk.setting("queue.inbound.most", MOST)
    with pytest.raises(Overloaded):
        await desk.enqueue(*orders(MOST + 1))
    assert await desk.admin.fetchval("SELECT count(*) FROM runtime_commands") == 0
    await desk.enqueue(*orders(MOST))


async def test_what_is_due_later_takes_no_room(desk):
    await desk.setting("queue.inbound.most", MOST)
    await desk.enqueue(*orders(3 * MOST, delay_seconds=600)[:MOST])
    await desk.enqueue(*orders(MOST, delay_seconds=600))
    await desk.enqueue(*orders(MOST))
    with pytest.raises(Overloaded):
        await desk.enqueue(*orders(1))


async def test_what_runs_or_has_ended_makes_room(desk):
    await desk.setting("queue.inbound.most", MOST)
    await desk.enqueue(*orders(MOST))
    claims = await desk.claim()
    await desk.enqueue(*orders(MOST))
    for claimed in claims:
        await desk.fail(claimed, INVALID)
    await desk.claim()
    await desk.enqueue(*orders(MOST))


async def test_a_setting_makes_the_queue_larger_and_zero_takes_the_bound_away(desk):
    await desk.setting("queue.inbound.most", MOST)
    await desk.enqueue(*orders(MOST))
    await desk.setting("queue.inbound.most", 2 * MOST)
    await desk.enqueue(*orders(MOST))
    await desk.setting("queue.inbound.most", 0)
    await desk.enqueue(*orders(MOST))


async def test_one_full_queue_is_no_other_queues_nor_accounts_trouble(desk):
    await desk.setting("queue.inbound.most", 1)
    await desk.enqueue(*orders(1))
    await desk.enqueue(make.order())
    await desk.enqueue(*orders(MOST), account=await make.account(desk.admin))


async def test_many_at_once_overfill_it_by_no_more_than_they_are(desk):
    await desk.setting("queue.inbound.most", MOST)
    answers = await asyncio.gather(*[desk.enqueue(*orders(1)) for _ in range(60)], return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    taken = [answer for answer in answers if isinstance(answer, list)]
    assert len(refused) + len(taken) == 60
    # The pool lets eight transactions look at the same time.
    assert MOST <= len(taken) <= MOST + 8
    assert await desk.admin.fetchval("SELECT count(*) FROM runtime_commands") == len(taken)


@pytest.mark.parametrize("prio", [-1, 4, 100])
async def test_there_are_four_priorities(desk, prio):
    with pytest.raises(Invalid, match="from 0"):
        await desk.enqueue(make.order(prio=prio))
