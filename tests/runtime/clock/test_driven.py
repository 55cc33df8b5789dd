"""What business time drives: leases, tokens, keys, requests, approvals, memory, schedules; and what a jump does to them."""

from datetime import datetime, timedelta
from typing import Any

from tests import make
from tests.messages import asking
from tests.runtime.clock.conftest import START
from tests.runtime.clock.worlds import DAY, HOUR, MINUTE, World
from tests.tasks.holders import held

RUNTIME = "/api/v1/admin/runtime"
SCHEDULES = f"{RUNTIME}/schedules"


async def status(world: World, task: dict[str, Any]) -> str:
    return str((await world.board.person.get(f"/api/v1/tasks/{task['id']}")).json()["status"])


async def posted(client, path: str, expected: int = 201, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == expected, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_lease_ends_when_its_time_has_come_and_not_before(world: World):
    task, fence = await held(world.board)
    await world.advance(14 * MINUTE)
    beat = await world.board.as_("engineer").post("/agent/task-heartbeat", json={"task_id": task["id"], "fence": fence})
    assert beat.status_code == 200, beat.text
    await world.advance(15 * MINUTE - 1)
    assert await status(world, task) == "in_progress"
    await world.advance(1)
    assert await status(world, task) == "assigned"


async def test_a_token_lasts_until_its_instant_on_the_simulated_clock(world: World):
    until = START + timedelta(hours=1)
    made = await posted(world.board.person, "/api/v1/tokens", name="short", agent_slug="engineer", expires_at=until.isoformat())
    client = world.board.client(made["token"])
    for seconds, expected in ((HOUR - 1, 200), (1, 401)):
        await world.advance(seconds)
        answer = await client.post("/agent/get-agent-skills", json={})
        assert answer.status_code == expected, answer.text
    await client.aclose()


async def test_an_idempotency_key_is_forgotten_after_a_day(world: World):
    async def make_task(title):
        return await world.board.person.post("/api/v1/tasks", json={"title": title}, headers={"Idempotency-Key": "k"})

    assert (await make_task("First")).status_code == 201
    await world.advance(DAY - 1)
    assert (await make_task("Second")).status_code == 422
    await world.advance(2)
    assert (await make_task("Third")).status_code == 201


async def test_an_answer_may_be_asked_for_again_after_four_hours(world: World):
    task = await world.board.task(assignee_slugs=["engineer"])
    owner = next(iter(name for name in world.board.tokens if "@" in name))
    assert (await asking.outcome(world.board, owner, task, "engineer"))[0] == ["engineer"]
    await world.advance(4 * HOUR - 1)
    assert (await asking.outcome(world.board, owner, task, "engineer"))[0] == []
    await world.advance(1)
    assert (await asking.outcome(world.board, owner, task, "engineer"))[0] == ["engineer"]


async def test_a_schedule_ticks_on_the_simulated_clock_and_each_tick_once(world: World, admin):
    made = await posted(world.board.person, SCHEDULES, name="often", command_type="runtime.probe", interval_seconds=15 * MINUTE)
    await world.advance(DAY)
    rows = await admin.fetch(
        "SELECT created_at FROM runtime_commands WHERE schedule_id::text = $1 ORDER BY created_at", made["id"]
    )
    assert [(row["created_at"] - START).total_seconds() for row in rows] == [15 * MINUTE * number for number in range(1, 97)]


async def test_a_jump_makes_a_schedule_late_and_its_policy_decides(world: World, admin):
    for policy, most in (("skip", 1), ("run_once", 1), ("catch_up", 3)):
        await posted(
            world.board.person,
            SCHEDULES,
            name=policy,
            command_type="runtime.probe",
            cron="*/15 * * * *",
            misfire=policy,
            catch_up_most=most,
        )
    await world.jump(seconds=DAY + 5 * MINUTE)
    await world.advance()
    rows = await admin.fetch(
        """SELECT s.name, count(c.id) AS many FROM runtime_schedules s
        LEFT JOIN runtime_commands c ON c.schedule_id = s.id WHERE NOT s.is_system GROUP BY s.name"""
    )
    assert {row["name"]: row["many"] for row in rows} == {"skip": 0, "run_once": 1, "catch_up": 3}


async def test_switched_off_schedules_do_not_keep_the_clock(world: World):
    await posted(world.board.person, SCHEDULES, name="often", command_type="runtime.probe", interval_seconds=HOUR)
    off = {"value": True, "reason": "a drill"}
    assert (await world.board.person.put(f"{RUNTIME}/settings/switch.schedules", json=off)).status_code == 200
    moved = await world.advance(DAY)
    assert (moved["steps"], datetime.fromisoformat(moved["now"])) == (1, START + timedelta(days=1))


async def test_a_held_command_does_not_keep_the_clock(world: World):
    await make.enqueued(world.board.database, world.board.account_id, make.order(type="runtime.probe", held_by="operator"))
    assert (await world.advance(DAY))["is_complete"]
