"""A real local gateway that remembers what it was asked and answers as it is told, and workers that talk to it."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from app import main
from app.kernel.settings import ROOT, Settings
from app.kernel.wake import WORK
from tests import make
from tests.boards import Board

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def decoded(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def agent(self) -> str:
        return self.headers["x-openclaw-agent-id"]

    @property
    def session(self) -> str:
        return self.headers["x-openclaw-session-key"]

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def lane(self) -> tuple[int, int]:
        """Its number in the lane, and the lane's epoch."""
        return int(self.headers["x-lane-seq"]), int(self.headers["x-lane-epoch"])


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What goes back; it waits for `once` first."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    once: asyncio.Event | None = None

    def encoded(self) -> bytes:
        named = {"Content-Type": self.content_type, "Content-Length": str(len(self.body)), "Connection": "close"}
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in (named | dict(self.headers)).items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def says(text: str, *, delay: float = 0.0, once: asyncio.Event | None = None) -> Reply:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
    body = {"object": "response", "output": output, "usage": {"input_tokens": 7, "output_tokens": 3}}
    return Reply(body=msgspec.json.encode(body), delay=delay, once=once)


def calls(*wanted: tuple[str, Any], text: str = "", once: asyncio.Event | None = None) -> Reply:
    """Tool calls by name, each with its arguments as an object, or as the text that the model wrote."""
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "call_id": f"call_{number}",
            "name": name,
            "arguments": arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode(),
        }
        for number, (name, arguments) in enumerate(wanted)
    ]
    if text:
        output.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
    body = {"object": "response", "output": output, "usage": {"input_tokens": 7, "output_tokens": 3}}
    return Reply(body=msgspec.json.encode(body), once=once)


def refuses(status: int, **headers: str) -> Reply:
    return Reply(status=status, body=b"no", content_type="text/plain", headers=headers)


def hangs() -> Reply:
    return Reply(once=asyncio.Event())


MALFORMED = Reply(body=b'{"output": [{"type": "message", "con')
NOTHING = says("")
NO_REPLY = says("NO_REPLY")

Answering = Callable[[Asked], Reply]


class Gateway:
    """`script` holds the next replies of all, `answering` makes one where the script is over."""

    def __init__(self, answering: Answering = lambda _: NO_REPLY) -> None:
        self.answering = answering
        self.script: list[Reply] = []
        self.asked: list[Asked] = []
        self.hung_up: list[Asked] = []
        self.probed = 0
        self.most_at_once = 0
        self.overlapping: list[str] = []
        self._inside: Counter[str] = Counter()
        self._agents: Counter[str] = Counter()
        self._most_of: Counter[str] = Counter()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def of(self, agent: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.agent == agent]

    def most_at_once_of(self, agent: str) -> int:
        return self._most_of[agent]

    async def open(self) -> None:
        """Listen; after `shut` on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1000)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections, and break those that are open."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        # A worker that was killed, or a test that is over, hears no answer; a cancelled callback would be reported.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                await self._served(await _head(reader), reader, writer)
            finally:
                self._serving.discard(task)
                writer.close()

    async def _served(self, head: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not head[0].startswith("GET "):
            await self._answered(await _read(head, reader), reader, writer)
            return
        self.probed += 1
        writer.write(Reply(status=404, body=b"nothing here").encoded())
        await writer.drain()

    async def _awaited(self, asked: Asked, reader: asyncio.StreamReader, once: asyncio.Event) -> None:
        """Wait for the event, and remember who hung up meanwhile."""
        gone, waiting = asyncio.create_task(reader.read()), asyncio.create_task(once.wait())
        try:
            done, _ = await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
            if gone in done:
                self.hung_up.append(asked)
            await waiting
        finally:
            for task in (gone, waiting):
                task.cancel()
            await asyncio.gather(gone, waiting, return_exceptions=True)

    async def _answered(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(asked)
        self._inside[asked.session] += 1
        self._agents[asked.agent] += 1
        self._most_of[asked.agent] = max(self._most_of[asked.agent], self._agents[asked.agent])
        self.most_at_once = max(self.most_at_once, sum(self._inside.values()))
        if self._inside[asked.session] > 1:
            self.overlapping.append(asked.session)
        try:
            reply = self.script.pop(0) if self.script else self.answering(asked)
            await asyncio.sleep(reply.delay)
            if reply.once is not None:
                await self._awaited(asked, reader, reply.once)
        finally:
            self._inside[asked.session] -= 1
            self._agents[asked.agent] -= 1
        writer.write(reply.encoded())
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> list[str]:
    return (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")


async def _read(head: list[str], reader: asyncio.StreamReader) -> Asked:
    first, *lines = head
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Asked(path=first.split(" ")[1], headers=headers, body=body, at=asyncio.get_running_loop().time())


@asynccontextmanager
async def opened(answering: Answering = lambda _: NO_REPLY) -> AsyncIterator[Gateway]:
    gateway = Gateway(answering)
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway.shut()


@asynccontextmanager
async def working(settings: Settings, **fields: Any) -> AsyncIterator[None]:
    """A worker in this process; `fields` change its settings, past their ranges too."""
    stop = asyncio.Event()
    brief = {"drain_seconds": 1, "pool_size": 6} | fields
    running = asyncio.create_task(main.run_worker(msgspec.structs.replace(settings, **brief), stop))
    try:
        yield
    finally:
        stop.set()
        await running


class Crew:
    """Worker processes; what they log is in `logged`."""

    def __init__(self, url: str, directory: Path) -> None:
        self._environment = {
            "PATH": os.defpath,
            "DATABASE_URL": url,
            "CALLBOARD_LOG_LEVEL": "info",
            "CALLBOARD_POOL_SIZE": "6",
            "CALLBOARD_DATA_DIR": str(directory),
        }
        self._log = directory / "workers.log"
        self._processes: list[asyncio.subprocess.Process] = []

    @property
    def logged(self) -> str:
        return self._log.read_text()

    async def start(self) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            command = (sys.executable, "-m", "app", "worker")
            process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    async def end(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def hurry(admin: Any) -> None:
    """Make due now what waits for a later attempt."""
    await admin.execute("UPDATE runtime_breakers SET retry_at = now() WHERE state = 'open'")
    await admin.execute("UPDATE runtime_commands SET run_at = now() WHERE state = 'retry_scheduled'")
    await admin.execute("UPDATE runtime_lanes SET ready_at = now() WHERE state = 'ready'")
    await admin.execute("SELECT pg_notify($1, '*')", WORK)


def finds(admin: Any, condition: str, *arguments: object, table: str = "notifications") -> Callable[[], Awaitable[bool]]:
    async def found() -> bool:
        return bool(await admin.fetchval(f"SELECT EXISTS (SELECT FROM {table} WHERE {condition})", *arguments))

    return found


async def settled(admin: Any, *, seconds: float = make.PATIENCE_SECONDS) -> None:
    """Wait until every notification of an agent has come to its end and every command too, hurrying those that wait.

    The end of a lease is waited for by nobody: it is a quarter of an hour away.
    """

    async def done() -> bool:
        await hurry(admin)
        waiting = "SELECT count(*) FROM notifications WHERE state = 'queued' AND recipient_kind = 'agent'"
        running = """SELECT count(*) FROM runtime_commands
            WHERE state IN ('queued', 'running', 'retry_scheduled') AND type <> 'tasks.expire_lease'"""
        return bool(await admin.fetchval(waiting) == 0 and await admin.fetchval(running) == 0)

    await make.until(done, seconds=seconds)


async def thread(board: Board, task_id: str) -> list[dict[str, Any]]:
    """What was said, oldest first."""
    answer = await board.person.get(f"/api/v1/tasks/{task_id}/messages", params={"limit": 200})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]
