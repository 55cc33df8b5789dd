"""Those who work in worktrees: agents that commit and push, reviewers that close, and people who get in their way."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

TIRELESS_SECONDS = 150.0
READY_SECONDS = 40.0
LEAST_OPEN, AREAS = 16, 5
BUSY = frozenset({429, 502, 503, 504})
ACTS = {
    "more": 30,
    "reopen": 12,
    "archive": 3,
    "restore": 6,
    "stop": 3,
    "reassign": 8,
    "want": 5,
    "sync": 4,
    "sweep": 4,
    "look": 8,
}


@dataclass(slots=True, frozen=True)
class Kept:
    """A commit or push that was acknowledged; a push has no file."""

    task_id: str
    repository: str
    branch: str
    sha: str
    path: str = ""
    content: str = ""


@dataclass(slots=True)
class Yard:
    """Everybody's view of one board: what was promised to them, how long it took, and what they were refused.

    `again` is what calls were answered that were made once more, `left` are files that nobody committed.
    """

    addresses: list[str]
    tokens: dict[str, str]
    chance: random.Random
    repositories: tuple[str, ...]
    claims: int = 0
    commits: list[Kept] = field(default_factory=list)
    pushes: list[Kept] = field(default_factory=list)
    left: list[Kept] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    is_over: bool = False
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=60))
    made: int = 0

    async def sent(self, who: str, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """Call under one key until there is a definite answer; answers its body, None where it was refused."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}", "Idempotency-Key": uuid4().hex}
        answer, ends = await self._tried(method, path, headers, body), time.monotonic() + TIRELESS_SECONDS
        while answer is None or answer.status_code in BUSY or "retry-after" in answer.headers:
            said = "lost" if answer is None else _said(answer)
            self.again[said] += 1
            if time.monotonic() > ends:
                self.broken.append(f"{method} {path}: nothing definite for {TIRELESS_SECONDS} s: {said}")
                return None
            await asyncio.sleep(0.2)
            answer = await self._tried(method, path, headers, body)
        self._counted(f"{method} {path}", answer)
        return answer.json() if answer.is_success and answer.content else None

    async def _tried(self, method: str, path: str, headers: dict[str, str], body: Any) -> httpx.Response | None:
        try:
            return await self.client.request(method, self.chance.choice(self.addresses) + path, headers=headers, json=body)
        except httpx.TransportError:
            return None

    def _counted(self, asked: str, answer: httpx.Response) -> None:
        self.statuses[f"{answer.status_code // 100}xx"] += 1
        if answer.status_code >= 500 or answer.status_code in {400, 404}:
            self.broken.append(f"{asked}: {answer.status_code} {answer.text[:300]}")
        elif not answer.is_success:
            self.refusals[f"{asked.rpartition('/')[2]}: {_said(answer)}"] += 1

    async def worker(self, who: str) -> None:
        """An agent that takes the best task there is, until the storm is over."""
        while not self.is_over:
            claimed = await self.sent(who, "/agent/task-claim", {})
            if not claimed or not claimed.get("task"):
                await asyncio.sleep(self.chance.uniform(0.1, 0.5))
                continue
            self.claims += bool(claimed["is_new"])
            await self._work(who, claimed["task"]["id"], claimed["lease"]["fence"], is_new=claimed["is_new"])

    async def _work(self, who: str, task_id: str, fence: int, *, is_new: bool) -> None:
        begun = time.monotonic()
        place = await self._ready(task_id)
        if place is None:
            await self.sent(who, "/agent/task-release", {"task_id": task_id, "fence": fence, "reason": "no worktree"})
            return
        if is_new:
            self.took["claim to worktree"].append(time.monotonic() - begun)
        for _ in range(self.chance.randint(1, 3)):
            if not await self._commit(who, task_id, fence, place):
                break
            if self.chance.random() < 0.5 and not await self._push(who, task_id, fence, place):
                break
        else:
            # One in five leaves something uncommitted behind, and some of them go away and say nothing.
            has_left = self.chance.random() < 0.2 and await self._leave(task_id, place)
            if has_left and self.chance.random() < 0.2:
                return
            await self.sent(who, "/agent/task-status", {"task_id": task_id, "status": "review", "fence": fence})
            return
        await self.sent(who, "/agent/task-release", {"task_id": task_id, "fence": fence, "reason": "cannot go on"})

    async def _ready(self, task_id: str) -> Any:
        """The task's worktree, once it is there."""
        ends = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends:
            found = await self.sent("owner", f"/api/v1/tasks/{task_id}", method="GET")
            place = (found or {}).get("worktree")
            if place and place["state"] == "ready":
                return place
            if place and place["state"] == "failed":
                self.refusals[f"worktree failed: {place['problem']}"] += 1
                return None
            await asyncio.sleep(0.1)
        self.refusals["no worktree in time"] += 1
        return None

    async def _commit(self, who: str, task_id: str, fence: int, place: Any) -> bool:
        mark = f"mark{self.chance.getrandbits(64):016x}"
        name, content = f"work/{task_id}/{mark}.txt", f"{task_id} {mark} {who}\n"
        if not await asyncio.to_thread(_written, Path(place["path"]) / name, content):
            return False
        begun = time.monotonic()
        done = await self.sent(who, "/agent/git-commit", {"task_id": task_id, "message": f"Write {mark}", "fence": fence})
        if done is None:
            return False
        self.took["commit"].append(time.monotonic() - begun)
        self.commits.append(Kept(task_id, place["repository"], done["branch"], done["sha"], name, content))
        if done["subject"] != f"Write {mark}":
            self.broken.append(f"the answer to the commit {mark} is of another: {done}")
        return True

    async def _leave(self, task_id: str, place: Any) -> bool:
        name, content = f"work/{task_id}/left-{self.chance.getrandbits(64):016x}.txt", f"{task_id} left\n"
        if not await asyncio.to_thread(_written, Path(place["path"]) / name, content):
            return False
        self.left.append(Kept(task_id, place["repository"], place["branch"], "", name, content))
        return True

    async def _push(self, who: str, task_id: str, fence: int, place: Any) -> bool:
        begun = time.monotonic()
        done = await self.sent(who, "/agent/git-push", {"task_id": task_id, "fence": fence})
        if done is None:
            return False
        self.took["push"].append(time.monotonic() - begun)
        self.pushes.append(Kept(task_id, place["repository"], done["branch"], done["head"]))
        return True

    async def reviewer(self, who: str) -> None:
        """One that closes what is handed over, or sends it back."""
        while not self.is_over:
            for task in (await self.tasks("review"))[:4]:
                body = {"task_id": task["id"], "status": "done"}
                if self.chance.random() < 0.2:
                    body = {"task_id": task["id"], "status": "in_progress", "reason": "once more"}
                await self.sent(who, "/agent/task-status", body)
            await asyncio.sleep(self.chance.uniform(0.2, 0.6))

    async def tasks(self, *statuses: str) -> list[Any]:
        found: list[Any] = []
        for status in statuses:
            page = await self.sent("owner", f"/api/v1/tasks?status={status}&limit=100", method="GET")
            found += (page or {"items": []})["items"]
        self.chance.shuffle(found)
        return found

    async def person(self) -> None:
        """One who makes tasks, and changes their mind."""
        while not self.is_over:
            act = self.chance.choices([*ACTS], [*ACTS.values()])[0]
            await getattr(self, f"_{act}")()
            await asyncio.sleep(self.chance.uniform(0.1, 0.5))

    async def make(self) -> None:
        self.made += 1
        body: dict[str, Any] = {"title": f"Task {self.made}", "repository": self.chance.choice(self.repositories)}
        if self.chance.random() < 0.4:
            deep = "deep/**" if self.chance.random() < 0.5 else "**"
            body["reserve"] = [{"pattern": f"area-{self.chance.randrange(AREAS)}/{deep}"}]
        await self.sent("owner", "/api/v1/tasks", body)

    async def _more(self) -> None:
        for _ in range(LEAST_OPEN - len(await self.tasks("inbox", "assigned"))):
            await self.make()

    async def _on(self, what: str, *statuses: str, **body: Any) -> None:
        for task in (await self.tasks(*statuses))[:1]:
            await self.sent("owner", f"/api/v1/tasks/{task['id']}/{what}", body)

    async def _reopen(self) -> None:
        await self._on("reopen", "done")

    async def _archive(self) -> None:
        await self._on("status", "inbox", "in_progress", "review", "done", status="archived")

    async def _restore(self) -> None:
        await self._on("restore", "archived")

    async def _stop(self) -> None:
        await self._on("stop", "in_progress")

    async def _reassign(self) -> None:
        slug = self.chance.choice([one for one in self.tokens if one.startswith("builder")])
        await self._on("assign", "assigned", "in_progress", assignee_slugs=[slug], replace=True)

    async def _want(self) -> None:
        await self._on("worktree", "in_progress", "assigned")

    async def _look(self) -> None:
        for task in (await self.tasks("in_progress", "review", "done"))[:1]:
            await self.sent("owner", f"/api/v1/tasks/{task['id']}/worktree", method="GET")

    async def _sync(self) -> None:
        page = await self.sent("owner", "/api/v1/repositories", method="GET")
        for one in (page or {"items": []})["items"]:
            await self.sent("owner", f"/api/v1/repositories/{one['id']}/sync", {})

    async def _sweep(self) -> None:
        await self.sent("owner", "/api/v1/admin/runtime/commands", {"command_type": "repository.sweep"})


def _written(path: Path, content: str) -> bool:
    """Whether the file could be written: the worktree may be gone meanwhile."""
    try:
        if not (path.parents[2] / ".git").exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    except OSError:
        return False
    return True


def _said(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError):
        return str(answer.status_code)
    details = error.get("details") or {}
    return f"{answer.status_code} {error['code']} {details.get('reason', '')} {error['message'][:90]}"
