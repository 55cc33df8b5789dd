"""Those who live with the crew: people who write, stop, unblock and steer, and an agent that fetches its work."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

CREW = ("orchestrator", "engineer", "engineer-2", "reviewer", "writer")
PULLS, RETIRES = "writer", "engineer-2"
TIRELESS_SECONDS = 60.0
ACTS = {
    "write": 30,
    "call": 14,
    "assign": 12,
    "stop": 4,
    "unblock": 10,
    "lift": 6,
    "budget": 6,
    "skip": 4,
    "retry": 6,
    "replay": 3,
    "archive": 3,
    "restore": 6,
    "ask": 5,
    "retire": 1,
    "move": 6,
}
LOST = (httpx.TransportError,)
BUSY = frozenset({429, 502, 503, 504})


@dataclass(slots=True)
class Crowd:
    """`said` are the marks of messages that were accepted, `away` the spans in which an agent was retired."""

    owner: httpx.AsyncClient
    puller: httpx.AsyncClient
    account_id: str
    tasks: list[str]
    agents: dict[str, str]
    free_budgets: list[str]
    chance: random.Random
    said: set[str] = field(default_factory=set)
    away: list[tuple[float, float]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    is_over: bool = False

    async def live(self) -> None:
        """One person, until the storm is over."""
        while not self.is_over:
            act = self.chance.choices([*ACTS], [*ACTS.values()])[0]
            await getattr(self, f"_{act}")()
            await asyncio.sleep(self.chance.uniform(0, 0.3))

    async def sent(self, method: str, path: str, body: Any = None, *, by: httpx.AsyncClient | None = None) -> Any:
        """Call until there is a definite answer, under one key; answers its body, None where it was refused."""
        key, ends = uuid4().hex, time.monotonic() + TIRELESS_SECONDS
        while True:
            try:
                asked = {"json": body, "headers": {"Idempotency-Key": key}} if body is not None else {}
                answer = await (by or self.owner).request(method, path, **asked)
            except LOST:
                answer = None
            if answer is not None and answer.status_code not in BUSY:
                break
            if time.monotonic() > ends:
                self.broken.append(f"{method} {path}: no answer for {TIRELESS_SECONDS} s")
                return None
            await asyncio.sleep(0.2)
        self.statuses[f"{answer.status_code // 100}xx"] += 1
        if answer.status_code >= 500:
            self.broken.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.is_success and answer.content else None

    def _task(self) -> str:
        return self.chance.choice(self.tasks)

    async def _write(self) -> None:
        mark = f"word{self.chance.getrandbits(64):016x}"
        if await self.sent("POST", f"/api/v1/tasks/{self._task()}/messages", {"content": f"I say {mark}"}):
            self.said.add(mark)

    async def _call(self) -> None:
        mark = f"word{self.chance.getrandbits(64):016x}"
        words = f"@{self.chance.choice(CREW)} hear {mark}"
        if await self.sent("POST", f"/api/v1/tasks/{self._task()}/messages", {"content": words}):
            self.said.add(mark)

    async def _assign(self) -> None:
        body = {"assignee_slugs": [self.chance.choice(CREW)], "replace": self.chance.random() < 0.3}
        await self.sent("POST", f"/api/v1/tasks/{self._task()}/assign", body)

    async def _stop(self) -> None:
        await self.sent("POST", f"/api/v1/tasks/{self._task()}/messages", {"content": "/stop for now"})

    async def _unblock(self) -> None:
        page = await self.sent("GET", "/api/v1/tasks?status=blocked&limit=50")
        for task in (page or {"items": []})["items"][:3]:
            goal = "in_progress" if task["assignees"] else "inbox"
            await self.sent("POST", f"/api/v1/tasks/{task['id']}/status", {"status": goal})

    async def _lift(self) -> None:
        page = await self.sent("GET", "/api/v1/tasks?limit=200")
        held = [task["id"] for task in (page or {"items": []})["items"] if task["quarantined_at"]]
        for task_id in held[:3]:
            await self.sent("POST", f"/api/v1/tasks/{task_id}/lift-quarantine", {})

    async def _budget(self) -> None:
        amount = str(self.chance.randint(1, 1000))
        await self.sent("PATCH", f"/api/v1/budgets/{self.chance.choice(self.free_budgets)}", {"amount": amount})

    async def _waiting(self) -> str | None:
        page = await self.sent("GET", "/api/v1/deliveries?state=queued&limit=50")
        found = [one["id"] for one in (page or {"items": []})["items"]]
        return self.chance.choice(found) if found else None

    async def _skip(self) -> None:
        if one := await self._waiting():
            await self.sent("POST", f"/api/v1/deliveries/{one}/skip", {"reason": "not now"})

    async def _retry(self) -> None:
        if one := await self._waiting():
            await self.sent("POST", f"/api/v1/deliveries/{one}/retry", {})

    async def _replay(self) -> None:
        await self.sent("POST", "/api/v1/deliveries/replay", {"most": 5})

    async def _archive(self) -> None:
        await self.sent("POST", f"/api/v1/tasks/{self._task()}/status", {"status": "archived"})

    async def _restore(self) -> None:
        page = await self.sent("GET", "/api/v1/tasks?status=archived&limit=50")
        for task in (page or {"items": []})["items"][:2]:
            await self.sent("POST", f"/api/v1/tasks/{task['id']}/restore", {})

    async def _ask(self) -> None:
        body = {"recipient_slugs": [self.chance.choice(CREW)], "message": "How far is it?"}
        await self.sent("POST", f"/api/v1/tasks/{self._task()}/response-requests", body)

    async def _retire(self) -> None:
        path, begun = f"/api/v1/agents/{self.agents[RETIRES]}", time.time()
        await self.sent("PATCH", path, {"retired": True})
        await asyncio.sleep(self.chance.uniform(0.5, 2))
        await self.sent("PATCH", path, {"retired": False})
        self.away.append((begun, time.time()))

    async def _move(self) -> None:
        goal = self.chance.choice(["in_progress", "review", "done"])
        await self.sent("POST", f"/api/v1/tasks/{self._task()}/status", {"status": goal})

    async def fetch(self) -> None:
        """The agent that fetches its work: it takes what it is shown, and acknowledges it with the next call."""
        ack: list[str] = []
        while not self.is_over:
            found = await self.sent("POST", "/agent/next", {"wait": 0.5, "ack": ack}, by=self.puller)
            ack = [found["ack"]] if found and found.get("ack") else []
            if found and found.get("task") and self.chance.random() < 0.4:
                mark = f"word{self.chance.getrandbits(64):016x}"
                body = {"task_id": found["task"]["id"], "content": f"I did {mark}"}
                if await self.sent("POST", "/agent/task-message", body, by=self.puller):
                    self.said.add(mark)
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))

    async def drained(self) -> None:
        """Acknowledge all that waits for the agent that fetches."""
        ack: list[str] = []
        while True:
            found = await self.sent("POST", "/agent/next", {"wait": 0, "ack": ack}, by=self.puller)
            if not found or not found.get("ack"):
                return
            ack = [found["ack"]]
