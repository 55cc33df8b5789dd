"""A fortnight on a board, told over HTTP: each act waits until what it set off is done."""

from typing import Any
from uuid import UUID

from app.runtime.service import enqueue
from tests import make
from tests.autonomy import desk
from tests.boards import OWNER
from tests.runtime.clock.worlds import DAY, HOUR, MINUTE, World

RUNTIME = "/api/v1/admin/runtime"
COMMANDS, SCHEDULES = f"{RUNTIME}/commands", f"{RUNTIME}/schedules"
APPROVALS = "/api/v1/approvals"
NOTE = "/api/v1/memory/user/me/plan"
EVENTS = "SELECT type FROM events WHERE account_id = $1 ORDER BY seq"


class Play:
    """The acts; `steps` counts the instants at which the clock stopped."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps = 0
        self._keys = 0

    async def run(self, *, days: int = 14) -> None:
        """Everything happens in the first four days; the schedules go on to the end."""
        assert days > 4
        await desk.hire(self.world.board, "ada")
        await self._schedules()
        task = await self._work()
        letter = await self._failures()
        late, wanted = await self._requests()
        await self._memory()
        await self._pass(DAY + HOUR)
        await self._after_a_day(letter, late, wanted, task)
        await self._sleep()
        await self._pass(days * DAY - 2 * DAY - 3 * HOUR)

    async def _pass(self, seconds: float = 0) -> None:
        self.steps += (await self.world.advance(seconds))["steps"]

    async def _schedules(self) -> None:
        often: dict[str, Any] = {"name": "often", "interval_seconds": HOUR}
        daily = {"name": "daily", "cron": "30 9 * * 1-5", "timezone": "Europe/Berlin", "misfire": "run_once"}
        late = {"name": "late", "cron": "0 * * * *", "misfire": "catch_up", "catch_up_most": 4}
        for asked in (often, daily, late):
            await self.posted(OWNER, SCHEDULES, asked | {"command_type": "runtime.probe"})

    async def _work(self) -> dict[str, Any]:
        """An agent takes a task and falls silent; another one brings it to an end."""
        task = await self.posted(OWNER, "/api/v1/tasks", {"title": "Paint the set", "assignee_slugs": ["engineer", "engineer-2"]})
        await self.world.board.claim("engineer", task["id"])
        await self._pass(16 * MINUTE)
        fence = await self.world.board.claim("engineer-2", task["id"])
        await self._pass(10 * MINUTE)
        work = {"task_id": task["id"], "fence": fence}
        await self.posted("engineer-2", "/agent/task-heartbeat", work, status=200)
        await self.posted("engineer-2", "/agent/task-message", {"task_id": task["id"], "content": "@engineer your paint is dry"})
        await self.posted("engineer-2", "/agent/task-status", work | {"status": "review"}, status=200)
        await self.posted("reviewer", "/agent/task-status", {"task_id": task["id"], "status": "done"}, status=200)
        return task

    async def _failures(self) -> dict[str, Any]:
        """What fails twice succeeds in the end; what fails for ever is given up, and what gives up is told."""
        await self._command(fail_attempts=2)
        await self._command(fail_attempts=1, error="rate_limited", retry_after=100)
        await self._command(fail_attempts=6)
        await self._command(fail_attempts=9, profile="best_effort")
        await self._follow()
        await self._pass(HOUR)
        letters = await self.world.board.person.get(f"{RUNTIME}/dead-letters", params={"reason_class": "transient"})
        (letter,) = letters.json()["items"]
        return dict(letter)

    async def _follow(self) -> None:
        board = self.world.board
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            for number in range(3):
                payload = {"fail_attempts": 9, "error": "validation_failed", "note": f"number {number}"}
                enqueue(tx, make.order(type="runtime.probe", payload=payload, delay_seconds=number // 2), actor=None)
        await self._pass()

    async def _requests(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """One approval that runs out after a day, and one that has two."""
        for seconds in (DAY, 2 * DAY):
            await self._command(approval={"summary": "Open the doors", "expires_seconds": seconds})
        wanted, late = (await self.world.board.person.get(APPROVALS)).json()["items"]
        return late, wanted

    async def _memory(self) -> None:
        plan = {"content": {"act": 1}, "expected_version": 0, "expires_in_seconds": 12 * HOUR}
        written = await self.world.board.person.put(NOTE, json=plan)
        assert written.status_code == 200, written.text
        await self._pass()

    async def _after_a_day(self, letter: Any, late: Any, wanted: Any, task: Any) -> None:
        person = self.world.board.person
        assert (await person.get(f"{APPROVALS}/{late['id']}")).json()["state"] == "expired"
        assert (await person.get(NOTE)).status_code == 404
        await self.posted("ada", f"{APPROVALS}/{wanted['id']}/approve", {}, status=200)
        ran = (await person.get(f"{COMMANDS}/{wanted['command_id']}")).json()
        assert ran["status"] == "succeeded"
        await self.posted(OWNER, f"{RUNTIME}/dead-letters/{letter['id']}/replay", {}, status=200)
        await self._pass(MINUTE)
        replayed = (await person.get(f"{COMMANDS}/{letter['command_id']}")).json()
        assert (replayed["status"], replayed["attempt_count"]) == ("succeeded", 7)
        assert (await person.get(f"/api/v1/tasks/{task['id']}")).json()["status"] == "done"

    async def _sleep(self) -> None:
        """The machine is away for some hours, and what was due meanwhile is late."""
        await self.world.jump(seconds=5 * HOUR + 7 * MINUTE)
        await self._pass()

    async def _command(self, *, profile: str | None = None, approval: Any = None, **payload: Any) -> None:
        asked = {"command_type": "runtime.probe", "payload": payload, "policy_profile": profile, "approval": approval}
        await self.posted(OWNER, COMMANDS, {name: value for name, value in asked.items() if value is not None})

    async def posted(self, who: str, path: str, body: dict[str, Any], *, status: int = 201) -> dict[str, Any]:
        self._keys += 1
        answer = await self.world.board.as_(who).post(path, json=body, headers={"Idempotency-Key": f"key-{self._keys}"})
        assert answer.status_code == status, f"{path}: {answer.text}"
        await self._pass()
        found: dict[str, Any] = answer.json()
        return found


async def events(admin: Any, account_id: UUID) -> list[str]:
    """The types of everything that happened, in order."""
    return [row["type"] for row in await admin.fetch(EVENTS, account_id)]
