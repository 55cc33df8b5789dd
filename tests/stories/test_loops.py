"""Agents that would wake each other for ever are stopped, people are told once, and a healthy crew is left alone."""

import asyncio
from typing import Any

import pytest

from app.observability.metrics import REGISTRY
from tests import boards, gateways
from tests.gateways import Asked, Gateway, says, settled

BUDGET, CREDITS = 20, 3
CREW = ["engineer", "writer", "reviewer"]


async def told(board, task, *, kind: str | None = None) -> list[dict[str, Any]]:
    """The notifications about the task, oldest first."""
    answer = await board.person.get("/api/v1/notifications", params={"task_id": task["id"], "limit": 200})
    return [one for one in answer.json()["items"][::-1] if kind in (None, one["recipient_kind"])]


async def say(board, slug: str, task, words: str) -> None:
    answer = await board.as_(slug).post("/agent/task-message", json={"task_id": task["id"], "content": words})
    assert answer.status_code == 201, answer.text


async def card(board, task) -> dict[str, Any]:
    found: dict[str, Any] = (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()
    return found


async def quarantined(board, task, reason: str) -> dict[str, Any]:
    """The task is in quarantine for this reason, which every place that may be asked says, and one person is told once."""
    assert (await card(board, task))["quarantine_reason"] == reason
    shown: dict[str, Any] = (await board.person.get(f"/api/v1/tasks/{task['id']}/quarantine")).json()
    assert (shown["quarantine_reason"], shown["task_id"]) == (reason, task["id"])
    why = (await board.person.get(f"/api/v1/tasks/{task['id']}/why")).json()
    assert (why["waits_for"], why["details"]["reason"]) == ("quarantined", reason)
    assert [who["email"] for who in why["who"]] == [boards.OWNER]
    assert why["details"]["chain"] == shown["chain"] != []
    assert [one["type"] for one in await told(board, task, kind="person")].count("quarantine") == 1
    log = (await board.person.get(f"/api/v1/tasks/{task['id']}/events", params={"limit": 200})).json()["items"]
    (event,) = [one for one in log if one["type"] == "board:task:quarantined"]
    assert (event["actor_kind"], event["payload"]["reason"]) == ("system", reason)
    assert [one["id"] for one in event["payload"]["chain"]] == [one["id"] for one in shown["chain"]]
    return shown


# Agents that pull their work.


async def rounds(board, task, crew: list[str], *, most: int = 30) -> int:
    """Each mentions the next in turn, until one is not woken any more; answers how many were."""
    for place in range(most):
        author, other = crew[place % len(crew)], crew[(place + 1) % len(crew)]
        await say(board, author, task, f"@{other} what do you think?")
        last = (await told(board, task, kind="agent"))[-1]
        if last["state"] == "skipped":
            return place
    return most


async def test_two_that_pull_and_answer_each_other_go_round(board):
    task = await board.task(assignee_slugs=CREW[:2])
    made = await rounds(board, task, CREW[:2])
    assert made < 9
    assert (await told(board, task))[-1]["reason"] == "quarantined" or made
    shown = await quarantined(board, task, "round_and_round")
    slugs = {one["author"] for one in shown["chain"][:-1]} | {one["recipient"] for one in shown["chain"]}
    assert slugs == set(CREW[:2])
    assert "think" not in str(shown)


async def test_three_that_pull_and_answer_in_a_ring_go_round(board):
    task = await board.task(assignee_slugs=CREW)
    assert await rounds(board, task, CREW) < BUDGET
    await quarantined(board, task, "round_and_round")


async def test_who_calls_on_another_without_end_meets_the_budget(board):
    task = await board.task(assignee_slugs=["engineer"])
    for _ in range(BUDGET + 3):
        await say(board, "engineer", task, "@writer and another thing")
    mine = [one for one in await told(board, task, kind="agent") if one["type"] == "mention"]
    # What it had not fetched yet came to an end as well.
    assert [one["reason"] for one in mine] == ["quarantined"] * (BUDGET - 1) + ["wake_budget"] + ["quarantined"] * 3
    assert {one["state"] for one in mine} == {"skipped"}
    await quarantined(board, task, "wake_budget")


async def test_a_crew_that_comes_further_is_not_quarantined_for_being_busy(board):
    task = await board.task(assignee_slugs=["engineer"])
    await board.claim("engineer", task["id"])
    for number in range(BUDGET + 3):
        await say(board, "engineer", task, "@writer and another thing")
        if number == BUDGET - 2:
            body = {"title": "Notes", "type": "note", "content": "x", "task_id": task["id"]}
            answer = await board.as_("engineer").post("/agent/document", json=body)
            assert answer.status_code in (200, 201), answer.text
    mine = [one for one in await told(board, task, kind="agent") if one["type"] == "mention"]
    # The orchestrator had one of the hour's wake-ups, for all that was written.
    assert [one["reason"] for one in mine] == ["mentioned"] * (BUDGET - 1) + ["wake_budget"] * 4
    assert (await card(board, task))["quarantined_at"] is None
    # A person is heard however full the hour is.
    await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "@writer please answer"})
    assert (await told(board, task, kind="agent"))[-1]["state"] == "queued"


async def test_nobody_wakes_themselves(board):
    task = await board.task(assignee_slugs=["engineer"])
    before = len(await told(board, task, kind="agent"))
    await say(board, "engineer", task, "@engineer do not forget")
    asked = {"task_id": task["id"], "recipient_slugs": ["engineer"], "message": "?"}
    assert (await board.as_("engineer").post("/agent/response-request", json=asked)).status_code == 422
    fence = await board.claim("engineer", task["id"])
    body = {"task_id": task["id"], "status": "blocked", "blocked_reason": "b"}
    await board.as_("engineer").post("/agent/task-status", json=body, headers={"X-Lease-Fence": str(fence)})
    engineer = await board.agent_id("engineer")
    assert [one for one in (await told(board, task, kind="agent"))[before:] if one["recipient_id"] == engineer] == []


async def test_quarantine_keeps_work_from_being_offered_until_a_member_lifts_it(board, admin):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    place = f"/api/v1/tasks/{task['id']}"
    for _ in range(BUDGET + 1):
        await say(board, "engineer", task, "@writer and another thing")
    await quarantined(board, task, "wake_budget")
    states = await admin.fetch(
        "SELECT DISTINCT state, reason FROM notifications WHERE recipient_kind = 'agent' AND type = 'mention'"
    )
    assert {(row["state"], row["reason"]) for row in states} == {("skipped", "quarantined"), ("skipped", "wake_budget")}
    # What a person had told them is still theirs; the task itself is not offered or claimed without its id.
    work = (await board.as_("engineer").post("/agent/next", json={"wait": 0})).json()
    assert (work["kind"], work["notification"]["type"]) == ("notification", "assignment")
    assert (await board.as_("engineer").post("/agent/next", json={"wait": 0, "ack": [work["ack"]]})).status_code == 204
    assert (await board.as_("engineer").post("/agent/task-claim", json={})).json()["task"] is None
    assert (await board.as_("engineer").post(f"{place}/lift-quarantine", json={})).status_code == 403
    assert (await board.person.post(f"{place}/lift-quarantine", json={"words": 1})).status_code == 422
    lifted = await board.person.post(f"{place}/lift-quarantine", json={"reason": "Go on, and write it down."})
    assert (lifted.status_code, lifted.json()["quarantined_at"], lifted.json()["version"]) == (200, None, task["version"] + 2)
    again = await board.person.post(f"{place}/lift-quarantine", json={})
    assert (again.status_code, again.json()["quarantined_at"]) == (200, None)
    woken = [one for one in await told(board, task, kind="agent") if one["type"] == "ready"]
    assert [one["state"] for one in woken] == ["queued"] * 2
    assert {one["title"] for one in woken} == {"Owner lifted the quarantine: A task"} or woken[0]["title"].endswith("A task")
    shown = (await board.person.get(f"{place}/quarantine")).json()
    assert shown == {"task_id": task["id"], "quarantined_at": None, "quarantine_reason": None, "chain": []}
    guard = await admin.fetchrow("SELECT credits, wakes, wakes_since FROM task_guards")
    assert tuple(guard) == (CREDITS, 0, None)
    await say(board, "engineer", task, "@writer and another thing")
    assert (await told(board, task, kind="agent"))[-1]["state"] == "queued"
    assert (await board.as_("engineer").post("/agent/task-claim", json={})).json()["task"]["id"] == task["id"]


# Agents that are woken through a gateway, which answers at once.


@pytest.fixture
async def gateway():
    async with gateways.opened() as opened:
        yield opened


@pytest.fixture
async def crew(urls, gateway):
    async with (
        boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as opened,
        gateways.working(opened.settings),
    ):
        yield opened


def answering(words: dict[str, str]) -> gateways.Answering:
    """Each agent always says the same; the others keep silent."""
    return lambda asked: says(words[asked.agent]) if asked.agent in words else gateways.NO_REPLY


async def is_stopped(crew, admin, gateway: Gateway, task) -> None:
    await settled(admin)
    await quarantined(crew, task, "no_progress")
    agents = await told(crew, task, kind="agent")
    assert len(gateway.asked) <= BUDGET
    assert {one["state"] for one in agents} <= {"delivered", "skipped"}
    assert "quarantined" in {one["reason"] for one in agents if one["state"] == "skipped"}


async def test_two_that_answer_each_other_for_ever_are_stopped(crew, gateway, admin):
    gateway.answering = answering({"engineer": "@writer what do you think?", "writer": "@engineer and you?"})
    task = await crew.task(assignee_slugs=["engineer"])
    await is_stopped(crew, admin, gateway, task)
    asked = len(gateway.asked)
    # People are heard all the same, and what the crew makes of it wakes nobody.
    await crew.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "What is going on?"})
    await settled(admin)
    assert [one.agent for one in gateway.asked[asked:]].count("engineer") == 1
    await quarantined(crew, task, "no_progress")
    # Lifted, it has its credits again; and is stopped again.
    await crew.person.post(f"/api/v1/tasks/{task['id']}/lift-quarantine", json={})
    await settled(admin)
    assert (await card(crew, task))["quarantine_reason"] == "no_progress"
    assert len(gateway.asked) <= 2 * BUDGET


async def test_three_that_answer_in_a_ring_are_stopped(crew, gateway, admin):
    gateway.answering = answering({"engineer": "@writer go on", "writer": "@reviewer go on", "reviewer": "@engineer go on"})
    task = await crew.task(assignee_slugs=["engineer"])
    await is_stopped(crew, admin, gateway, task)


async def test_an_orchestrator_and_an_assignee_that_comment_each_other_are_stopped(crew, gateway, admin):
    gateway.answering = answering({"engineer": "Still on it.", "orchestrator": "Thank you, go on."})
    task = await crew.task(assignee_slugs=["engineer"])
    await is_stopped(crew, admin, gateway, task)


async def test_one_that_mentions_itself_is_woken_by_nobody(crew, gateway, admin):
    gateway.answering = answering({"engineer": "@engineer remember this"})
    task = await crew.task(assignee_slugs=["engineer"])
    await settled(admin)
    assert [one.agent for one in gateway.asked].count("engineer") == 1
    assert (await card(crew, task))["quarantined_at"] is None


async def test_a_crew_that_comes_further_between_its_words_is_never_cut(crew, gateway, admin):
    """Six hops with something to show for every second one: more runs without a break than there are credits."""
    task = await crew.task(assignee_slugs=["engineer"])
    await settled(admin)
    others, hops, doing = {"engineer": "writer", "writer": "engineer"}, iter(range(6)), set[asyncio.Task[Any]]()

    def answer(asked: Asked) -> gateways.Reply:
        hop = next(hops, None) if asked.agent in others else None
        if hop is None:
            return gateways.NO_REPLY
        done = asyncio.Event()
        doing.add(asyncio.create_task(progress(asked.agent, hop, done)))
        return says(f"@{others[asked.agent]} see number {hop}", once=done)

    async def progress(agent: str, hop: int, done: asyncio.Event) -> None:
        if hop % 2:
            body = {"title": f"Number {hop}", "type": "note", "content": "x", "task_id": task["id"]}
            assert (await crew.as_(agent).post("/agent/document", json=body)).status_code in (200, 201)
        done.set()

    gateway.answering = answer
    await crew.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "@engineer please begin"})
    await settled(admin)
    assert next(hops, None) is None
    assert (await card(crew, task))["quarantined_at"] is None
    loops = {"quarantined", "wake_budget", "round_and_round", "too_deep"}
    assert {one["reason"] for one in await told(crew, task, kind="agent")} & loops == set()
    assert await admin.fetchval("SELECT credits FROM task_guards") in (CREDITS, CREDITS - 1)


async def put(board, name: str, value: int) -> None:
    body = {"value": value, "reason": "drill"}
    assert (await board.person.put(f"/api/v1/admin/runtime/settings/{name}", json=body)).status_code == 200
    await board.database.controls.refresh()


async def test_a_status_that_goes_to_and_fro_is_stopped_too(board):
    await put(board, "loop.wakes_per_hour", 3)
    await put(board, "loop.depth", 2)
    task = await board.task(assignee_slugs=["engineer", "writer"])
    for number in range(24):
        # Each is woken by the other, the one as assignee and the other as orchestrator.
        author, status = ("engineer", "in_progress") if number % 2 == 0 else ("orchestrator", "blocked")
        body = {"task_id": task["id"], "status": status} | ({"blocked_reason": "wait"} if status == "blocked" else {})
        answer = await board.as_(author).post("/agent/task-status", json=body)
        assert answer.status_code == 200, answer.text
        if number % 2:
            await say(board, "engineer", task, "@orchestrator why?")
    ends = [one for one in await told(board, task, kind="agent") if one["type"] == "status_change"]
    assert [one["reason"] for one in ends].count("wake_budget") == 1
    await quarantined(board, task, "wake_budget")


async def test_the_settings_say_how_often_how_deep_and_how_long(board):
    await put(board, "loop.wakes_per_hour", 2)
    task = await board.task(assignee_slugs=["engineer"])
    for _ in range(2):
        await say(board, "engineer", task, "@writer and another thing")
    assert (await card(board, task))["quarantine_reason"] == "wake_budget"
    await put(board, "loop.wakes_per_hour", 100)
    await put(board, "loop.depth", 2)
    other = await board.task(assignee_slugs=CREW[:2])
    assert await rounds(board, other, CREW[:2]) == 2
    assert (await told(board, other, kind="agent"))[-1]["reason"] == "too_deep"
    await quarantined(board, other, "round_and_round")


async def test_many_at_once_do_not_exceed_the_budget(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    await asyncio.gather(*(say(board, "engineer", task, f"@{who} look") for who in ["writer", "reviewer", "engineer-2"] * 12))
    assert await admin.fetchval("SELECT wakes FROM task_guards") == BUDGET
    log = (await board.person.get(f"/api/v1/tasks/{task['id']}/events", params={"limit": 200})).json()["items"]
    assert [one["type"] for one in log].count("board:task:quarantined") == 1
    assert REGISTRY.get_sample_value("callboard_quarantines_total", {"reason": "wake_budget"})
    assert REGISTRY.get_sample_value("callboard_wakeups_skipped_total", {"reason": "quarantined"})
