"""Agents that are woken by prompts: every message stands in one, however posters and workers race."""

import asyncio

import pytest

from tests import boards, gateways, make
from tests.gateways import says, settled
from tests.notifications.talk import say, waiting

MERGED = "SELECT coalesce(sum(merged), 0) FROM notifications WHERE type = 'thread_update' AND recipient_id = $1"
POSTERS, EACH = 4, 6


@pytest.fixture
async def gateway():
    async with gateways.opened() as opened:
        yield opened


@pytest.fixture
async def board(urls, gateway):
    async with boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as opened:
        yield opened


def inputs(gateway) -> str:
    return "\n".join(asked.decoded["input"] for asked in gateway.of("engineer"))


async def test_messages_that_came_while_nobody_worked_are_one_prompt_and_a_race_loses_none(board, gateway, admin):
    task = await board.task(assignee_slugs=["engineer"])
    first = [f"Before anybody works: {number}." for number in range(5)]
    for content in first:
        await say(board, task, content)
    assigned, update = await waiting(admin, board, "engineer")
    assert (assigned["type"], update["merged"], update["content"]) == ("assignment", 4, first[-1])

    async def post(number):
        for place in range(EACH):
            await say(board, task, f"Racing {number}.{place}!")

    async with gateways.working(board.settings):
        await settled(admin)
        assert len(gateway.of("engineer")) == 2
        assert all(content in inputs(gateway) for content in first)
        assert await admin.fetchval("SELECT seen FROM thread_positions WHERE agent_id = $1", update["recipient_id"]) == 5
        await asyncio.gather(*(post(number) for number in range(POSTERS)))
        await settled(admin)
    said = inputs(gateway)
    assert [one for number in range(POSTERS) for place in range(EACH) if (one := f"Racing {number}.{place}!") not in said] == []
    updates = len(gateway.of("engineer")) - 2
    assert updates + await admin.fetchval(MERGED, update["recipient_id"]) - 4 == POSTERS * EACH
    states = "SELECT DISTINCT state FROM notifications WHERE recipient_id = $1"
    assert [row["state"] for row in await admin.fetch(states, update["recipient_id"])] == ["delivered"]
    seen = "SELECT p.seen = t.message_count FROM thread_positions p JOIN tasks t ON t.id = p.task_id WHERE p.agent_id = $1"
    assert await admin.fetchval(seen, update["recipient_id"])


async def test_what_comes_while_a_run_is_in_hand_waits_by_itself_and_stands_in_the_next_prompt(board, gateway, admin):
    task, answered = await board.task(assignee_slugs=["engineer"]), asyncio.Event()

    async def is_asked():
        return len(gateway.of("engineer")) == 2

    async with gateways.working(board.settings):
        await settled(admin)
        gateway.answering = lambda _: says("NO_REPLY", once=answered)
        await say(board, task, "Asked now.")
        await make.until(is_asked)
        for content in ("Meanwhile one.", "Meanwhile two."):
            await say(board, task, content)
        taken, later = await waiting(admin, board, "engineer")
        assert (taken["content"], taken["merged"], later["content"], later["merged"]) == ("Asked now.", 0, "Meanwhile two.", 1)
        answered.set()
        await settled(admin)
    asked, last = (one.decoded["input"] for one in gateway.of("engineer")[1:])
    assert ("Meanwhile one." in asked, "Meanwhile one." in last, "Meanwhile two." in last) == (False, True, True)
