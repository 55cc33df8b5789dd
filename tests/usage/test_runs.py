"""Runs through a real gateway and a real worker: what they may spend, what happens at the limit, and how they go on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.kernel import clock, db
from app.kernel.wake import WORK
from tests import boards, gateways, make
from tests.gateways import JSON, Reply
from tests.usage.desk import standing

BUDGETS = "/api/v1/budgets"
# Agents whom every new card of theirs wakes.
AGENTS = ("engineer", "engineer-2", "writer", "reviewer")
WAITS = """SELECT n.task_id FROM notifications n JOIN budget_reservations r ON r.run_id = n.id
    WHERE n.state = 'queued' AND r.waits_since IS NOT NULL ORDER BY n.id LIMIT 1"""
LEFT = "SELECT count(*) FROM notifications WHERE type = 'assignment' AND recipient_kind = 'agent' AND state = $1"


def costs(usd: str | None, *, delay: float = 0.0, once: asyncio.Event | None = None) -> Reply:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "NO_REPLY"}]}]
    body: dict[str, Any] = {"object": "response", "output": output, "usage": {"input_tokens": 700, "output_tokens": 300}}
    body["usage"] |= {"cost": usd} if usd else {}
    return Reply(body=msgspec.json.encode(body), delay=delay, content_type=JSON, once=once)


@pytest.fixture
async def gateway() -> AsyncIterator[gateways.Gateway]:
    async with gateways.opened() as opened:
        yield opened


@pytest.fixture
async def board(urls, gateway) -> AsyncIterator[boards.Board]:
    async with boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as opened:
        yield opened


async def budget(board, **fields: Any) -> dict[str, Any]:
    answer = await board.person.post(BUDGETS, json={"unit": "usd", "period": "day", "amount": "0.50"} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def shown(board, made: dict[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = (await board.person.get(f"{BUDGETS}/{made['id']}")).json()
    return view


def told(admin, kind: str = "budget"):
    return admin.fetch("SELECT title, body, recipient_id FROM notifications WHERE type = $1 ORDER BY id", kind)


async def are(admin, state: str, many: int) -> None:
    async def enough() -> bool:
        return bool(await admin.fetchval(LEFT, state) == many)

    await make.until(enough)


async def test_twenty_runs_at_once_stop_at_the_cap_and_go_on_when_it_is_raised(board, gateway, admin):
    gateway.answering = lambda _: costs("0.05", delay=0.02)
    made = await budget(board, estimate="0.05")
    for number in range(20):
        await board.task(title=f"T{number}", assignee_slugs=[AGENTS[number % 4]])
    async with gateways.working(board.settings):
        await are(admin, "delivered", 10)

        async def is_told() -> bool:
            return bool((await shown(board, made))["waiting"] and len(await told(admin)) == 2)

        await make.until(is_told)
        view = await shown(board, made)
        assert (view["spent"], view["state"], view["percent"]) == ("0.500000", "exhausted", 100)
        assert len(gateway.asked) == 10
        why = (await board.person.get(f"/api/v1/tasks/{await admin.fetchval(WAITS)}/why")).json()
        assert (why["waits_for"], why["details"]["budgets"][0]["id"]) == ("budget_exhausted", made["id"])
        assert (why["until"], why["also"][0]["waits_for"]) == (view["resets_at"], "assignee_to_start")
        titles = [row["title"] for row in await told(admin)]
        assert titles == [
            "The budget of the account, 0.5 USD a day, has passed 80 %",
            "The budget of the account, 0.5 USD a day, is exhausted",
        ]
        approvals = (await board.person.get("/api/v1/approvals", params={"state": "pending"})).json()["items"]
        assert [one["summary"] for one in approvals] == [
            "Allow 0.125 USD more until its period ends: the budget of the account, 0.5 USD a day, is exhausted"
        ]
        # A quarter more is room for two.
        vote = await board.person.post(f"/api/v1/approvals/{approvals[0]['id']}/approve", json={})
        assert vote.status_code == 200, vote.text
        await are(admin, "delivered", 12)
        assert (await shown(board, made))["extra"] == "0.125000"
        raised = await board.person.patch(f"{BUDGETS}/{made['id']}", json={"amount": "5"})
        assert raised.json()["state"] == "open"
        await are(admin, "delivered", 20)
    assert await standing(admin) == (Decimal(1), 0)
    assert len(gateway.asked) == 20
    assert await admin.fetchval("SELECT count(*) FROM usage_records WHERE cost_usd = 0.05") == 20
    assert await admin.fetchval("SELECT count(*) FROM budget_reservations WHERE closed_at IS NULL") == 0
    usage = (await board.person.get("/api/v1/usage", params={"by": "day"})).json()
    assert (usage["total"]["runs"], usage["total"]["cost_usd"]) == (20, "1.000000")


async def test_without_an_estimate_dear_runs_never_pass_the_cap(board, gateway, admin):
    gateway.answering = lambda _: costs("0.30", delay=0.02)
    made = await budget(board)
    for number in range(8):
        await board.task(title=f"T{number}", assignee_slugs=[AGENTS[number % 4]])
    async with gateways.working(board.settings):

        async def is_exhausted() -> bool:
            return bool(len(await told(admin)) == 1)

        await make.until(is_exhausted)
        await asyncio.sleep(0.2)
    assert await standing(admin) == (Decimal("0.30"), 0)
    assert len(gateway.asked) == 1
    assert (await shown(board, made))["estimate"] == "0.300000"


async def test_a_subscription_that_tells_no_cost_still_comes_to_an_end(board, gateway, admin):
    gateway.answering = lambda _: costs("0")
    made = await budget(board, amount="0.10", agent_slug="engineer")
    for number in range(3):
        await board.task(title=f"T{number}", assignee_slugs=["engineer"])
    async with gateways.working(board.settings):
        await are(admin, "delivered", 2)

        async def waits() -> bool:
            return bool((await shown(board, made))["waiting"] == 1)

        await make.until(waits)
        view = await shown(board, made)
        assert (view["spent"], view["spent_assumed"], view["estimate"]) == ("0.100000", "0.100000", "0.050000")
        # Who it does not bind goes on, and so does everybody when it is gone.
        await board.task(assignee_slugs=["writer"])
        await are(admin, "delivered", 3)
        await board.person.delete(f"{BUDGETS}/{made['id']}")
        await are(admin, "delivered", 4)
    assert (await board.person.get("/api/v1/usage")).json()["total"]["answers_without_cost"] == 4


async def test_a_run_that_used_up_what_it_reserved_waits_between_its_rounds(board, gateway, admin):
    """One run may not go on past the budget for as many rounds as its agent likes, and loses nothing when it waits."""
    task = await board.task()
    acting = msgspec.json.decode(gateways.calls(("task-thread", {"task_id": task["id"]})).body) | {"cost_usd": 0.4}
    replies = [*[Reply(body=msgspec.json.encode(acting))] * 3, costs("0.4")]
    gateway.answering = lambda asked: replies.pop(0) if asked.agent == "engineer" else gateways.NO_REPLY
    made = await budget(board, amount="0.5", estimate="0.3", agent_slug="engineer")
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "@engineer what is this about?"})
    async with gateways.working(board.settings):

        async def waits() -> bool:
            return bool((await shown(board, made))["waiting"] == 1)

        await make.until(waits)
        assert (len(gateway.of("engineer")), (await shown(board, made))["spent"]) == (1, "0.400000")
        await board.person.patch(f"{BUDGETS}/{made['id']}", json={"amount": "9"})
        await make.until(gateways.finds(admin, "closed_at IS NOT NULL", table="budget_reservations"))
    ours = "SELECT round FROM usage_records WHERE agent_id = $1 ORDER BY round"
    assert [row["round"] for row in await admin.fetch(ours, await board.agent_id("engineer"))] == [0, 1, 2, 3]
    assert await standing(admin) == (Decimal("1.6"), 0)


async def test_a_worker_that_is_killed_in_a_run_leaves_one_reservation_and_one_charge(board, gateway, admin, urls, tmp_path):
    answer = asyncio.Event()
    gateway.answering = lambda _: costs("0.2", once=answer)
    crew = gateways.Crew(urls[1], tmp_path)
    await budget(board, estimate="0.3", agent_slug="engineer")
    await board.task(assignee_slugs=["engineer"])

    async def asked_once() -> bool:
        return len(gateway.of("engineer")) == 1

    async def asked_twice() -> bool:
        await gateways.hurry(admin)
        return len(gateway.of("engineer")) == 2

    try:
        worker = await crew.start()
        await make.until(asked_once)
        assert await standing(admin) == (0, Decimal("0.3"))
        worker.kill()
        await worker.wait()
        assert await standing(admin) == (0, Decimal("0.3"))
        await crew.start()
        await make.until(asked_twice)
        assert await standing(admin) == (0, Decimal("0.3"))
        answer.set()
        await are(admin, "delivered", 1)
    finally:
        await crew.end()
    assert await standing(admin) == (Decimal("0.2"), 0)
    assert await admin.fetchval("SELECT count(*) FROM usage_records") == 1


async def test_runs_go_on_by_themselves_when_the_next_period_begins(urls, gateway, admin):
    start = datetime(2031, 1, 6, 8, 50, tzinfo=UTC)
    await clock.choose(admin, clock.SIMULATED, reader=db.AUTH_ROLE, at=start)
    gateway.answering = lambda _: costs("0.3")
    simulated = lambda: boards.opened(urls[1], gateway_url=gateway.url, CALLBOARD_CLOCK="simulated")  # noqa: E731
    async with boards.in_own_task(simulated) as board, gateways.working(board.settings):
        made = await budget(board, period="hour", estimate="0.3", agent_slug="engineer")
        assert made["resets_at"] == "2031-01-06T09:00:00Z"
        for _ in range(2):
            await board.task(assignee_slugs=["engineer"])

        async def waits() -> bool:
            return bool((await shown(board, made))["waiting"] == 1)

        await make.until(waits)
        await make.until(gateways.finds(admin, "state = 'retry_scheduled'", table="runtime_commands"))
        for minutes, delivered in ((9, 1), (10, 2)):
            await admin.execute("UPDATE runtime_clock SET at = $1", start + timedelta(minutes=minutes))
            await admin.execute("SELECT pg_notify($1, '*')", WORK)
            await are(admin, "delivered", delivered)
        assert (await shown(board, made))["spent"] == "0.300000"


async def test_a_run_that_waits_for_room_holds_nothing_more_once_its_task_is_archived(board, gateway, admin):
    await budget(board, unit="runs", amount="0")
    task = await board.task(title="T", assignee_slugs=["engineer"])
    is_open = gateways.finds(admin, "closed_at IS NULL AND waits_since IS NOT NULL", table="budget_reservations")
    async with gateways.working(board.settings):
        await make.until(is_open)
        moved = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "archived"})
        assert moved.status_code == 200, moved.text

        async def is_closed() -> bool:
            await gateways.hurry(admin)
            return not await is_open()

        await make.until(is_closed)
    assert gateway.asked == []
