"""A server that is killed while agents work leaves nothing half done, and whoever repeats its call is served once."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from app.kernel.settings import ROOT
from tests import make
from tests.mcp.served import free_port
from tests.tasks.holders import consistent, hired

CLIENTS, TASKS, KILLS, CALLS_BETWEEN = 8, 4, 2, 60
# Whoever is told one of these may repeat the call as it is.
AGAIN = {"idempotency_in_flight", "overloaded", "dependency_unavailable"}
STRAY = """SELECT count(*) FROM tasks WHERE (status = 'in_progress') <> (lease_kind IS NOT DISTINCT FROM 'work')"""
GRANTS = """SELECT e.entity_id::text AS task, (e.payload -> 'lease' ->> 'fence')::int AS fence, a.slug
    FROM events e JOIN agents a ON a.id = (e.payload -> 'lease' ->> 'agent_id')::uuid
    WHERE e.type IN ('board:task:status_changed', 'board:task:claimed') AND e.payload ? 'lease'"""
MOVES = "SELECT payload ->> 'reason' FROM events WHERE type = 'board:task:status_changed' AND payload ? 'reason'"


class Server:
    """`python -m app serve` in a process group of its own."""

    def __init__(self, url: str) -> None:
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        given = {"DATABASE_URL": url, "CALLBOARD_PORT": str(self._port), "CALLBOARD_LOG_LEVEL": "error"}
        self._environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **given}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = (sys.executable, "-P", "-m", "app", "serve")
        self._process = await asyncio.create_subprocess_exec(*command, env=self._environment, start_new_session=True)

    async def kill(self) -> None:
        assert self._process
        assert self._process.returncode is None, "it ended by itself"
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def serving(url: str):
    server = Server(url)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@dataclass
class Told:
    """What the board answered to all clients together."""

    messages: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    grants: list[tuple[str, int, str]] = field(default_factory=list)
    interrupted: int = 0
    calls: int = 0


class Client:
    """An agent that repeats each call under its key until it is answered."""

    def __init__(self, http: httpx.AsyncClient, *, slug: str, tasks: list[str], told: Told) -> None:
        self._http = http
        self._slug = slug
        self._tasks = tasks
        self._told = told
        self._numbers = count()
        self._held: tuple[str, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._speak()
            await (self._put_down() if self._held else random.choice((self._claim, self._start))())

    async def _call(self, verb: str, **body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": uuid4().hex}
        while True:
            try:
                answer = await self._http.post(f"/agent/{verb}", json=body, headers=headers)
            except httpx.TransportError:
                self._told.interrupted += 1
                await asyncio.sleep(0.05)
                continue
            said = answer.json()
            if said.get("error", {}).get("code") not in AGAIN:
                self._told.calls += 1
                return answer.status_code, said
            await asyncio.sleep(0.05)

    async def _speak(self) -> None:
        words = f"{self._slug} {next(self._numbers)}"
        status, said = await self._call("task-message", task_id=random.choice(self._tasks), content=words)
        assert status == 201, said
        self._told.messages.append(words)

    async def _claim(self) -> None:
        named = random.choice(({}, {"task_id": random.choice(self._tasks)}))
        status, said = await self._call("task-claim", **named)
        if status == 200 and said["task"]:
            assert said["is_new"], said
            self._takes(said["task"]["id"], said["lease"])
        elif status != 200:
            assert said["error"]["code"] in ("held", "invalid_transition"), said

    async def _start(self) -> None:
        words = f"{self._slug} {next(self._numbers)}"
        task_id = random.choice(self._tasks)
        status, said = await self._call("task-status", task_id=task_id, status="in_progress", reason=words)
        if status == 200:
            self._told.moves.append(words)
            self._takes(task_id, said["lease"])
        else:
            assert said["error"]["code"] == "held", said

    def _takes(self, task_id: str, lease: dict[str, Any]) -> None:
        self._held = task_id, lease["fence"]
        self._told.grants.append((task_id, lease["fence"], self._slug))

    async def _put_down(self) -> None:
        assert self._held
        task_id, fence = self._held
        words = f"{self._slug} {next(self._numbers)}"
        body = {"task_id": task_id, "fence": fence, "reason": words}
        if random.random() < 0.5:
            status, said = await self._call("task-release", **body)
        else:
            status, said = await self._call("task-status", status="blocked", blocked_reason=words, **body)
        assert status == 200, said
        self._told.moves.append(words)
        self._held = None


async def killed_again_and_again(server: Server, told: Told) -> None:
    for _ in range(KILLS):
        enough = told.calls + CALLS_BETWEEN
        await make.until(lambda enough=enough: asyncio.sleep(0, told.calls >= enough))
        await asyncio.sleep(random.uniform(0, 0.05))
        await server.kill()
        await server.start()
    enough = told.calls + CALLS_BETWEEN
    await make.until(lambda: asyncio.sleep(0, told.calls >= enough))


async def hammered(board, server: Server, crew: list[str], tasks: list[str]) -> Told:
    told, stop = Told(), asyncio.Event()
    clients = {
        slug: httpx.AsyncClient(
            base_url=server.address, headers={"Authorization": f"Bearer {board.tokens[slug]}"}, trust_env=False, timeout=30
        )
        for slug in crew
    }
    try:
        async with asyncio.TaskGroup() as group:
            for slug, http in clients.items():
                group.create_task(Client(http, slug=slug, tasks=tasks, told=told).run(stop))
            await killed_again_and_again(server, told)
            stop.set()
    finally:
        await asyncio.gather(*(http.aclose() for http in clients.values()))
    return told


async def test_a_server_killed_under_load_loses_and_doubles_nothing(board, admin, urls):
    crew = await hired(board, CLIENTS)
    tasks = [(await board.task(assignee_slugs=crew))["id"] for _ in range(TASKS)]
    async with serving(urls[1]) as server:
        told = await hammered(board, server, crew, tasks)
    assert told.interrupted > 0
    written = await admin.fetch("SELECT content FROM messages")
    assert Counter(content for (content,) in written) == Counter(told.messages)
    assert Counter(reason for (reason,) in await admin.fetch(MOVES)) == Counter(told.moves)
    grants = Counter((row["task"], row["fence"], row["slug"]) for row in await admin.fetch(GRANTS))
    assert grants == Counter(told.grants)
    assert len({(task, fence) for task, fence, _ in told.grants}) == len(told.grants) > 0
    await consistent(admin)
    assert await admin.fetchval(STRAY) == 0
    assert await admin.fetchval("SELECT max(seq) - count(*) FROM events") == 0
