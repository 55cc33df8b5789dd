"""A gateway that answers as chance wants it, and remembers what it was asked and what it answered."""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ELSEWHERE = ("task_message", "task_status", "response_request", "document")
CREW = ("orchestrator", "engineer", "engineer-2", "reviewer", "writer")
WEIGHTS = {
    "text": 26,
    "calls": 36,
    "no_reply": 8,
    "silence": 7,
    "rate_limited": 4,
    "broken": 4,
    "unavailable": 2,
    "unknown": 1,
    "cut": 4,
    "malformed": 3,
    "half": 1,
    "hangs": 2,
    "late": 8,
}
HEALED = ("text", "no_reply", "no_reply")
FAST_SECONDS, LATE_SECONDS, HANG_SECONDS = 0.15, 2.0, 60.0
COST_MOST_CENTS = 2.0


@dataclass(slots=True)
class Asked:
    """One request as it arrived."""

    session: str
    agent: str
    key: str
    digest: bytes
    lane: tuple[int, int]


@dataclass(slots=True)
class Told:
    """What one whole answer said that it used, and the marks of the tool calls in it, by tool."""

    input_tokens: int
    output_tokens: int
    cost: Decimal
    marks: list[tuple[str, str]] = field(default_factory=list)


class Gateway:
    """`tasks` are those that tool calls are about; once it has healed it only speaks."""

    def __init__(self, seed: int) -> None:
        self.tasks: list[str] = []
        self.is_healed = False
        self.asked: list[Asked] = []
        self.told: dict[str, Told] = {}
        self.kinds: Counter[str] = Counter()
        self.overlapping: list[str] = []
        self.url = ""
        self._inside: Counter[str] = Counter()
        self._chance = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A worker that was killed hears no answer.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                named = dict(line.lower().split(": ", 1) for line in head[1:])
                if head[0].startswith("GET "):
                    writer.write(_http(404, b"nothing here"))
                else:
                    await self._answered(named, await reader.readexactly(int(named["content-length"])), reader, writer)
                await writer.drain()
            finally:
                writer.close()

    async def _answered(
        self, named: dict[str, str], body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = named["x-openclaw-session-key"]
        lane = (int(named["x-lane-seq"]), int(named["x-lane-epoch"]))
        digest = hashlib.sha256(body).digest()
        self.asked.append(Asked(session, named["x-openclaw-agent-id"], named["idempotency-key"], digest, lane))
        self._inside[session] += 1
        if self._inside[session] > 1:
            self.overlapping.append(session)
        try:
            kind = self._chance.choice(HEALED) if self.is_healed else self._chance.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
            self.kinds[kind] += 1
            if await _gone(reader, self._pause(kind)):
                return
            reply = self._reply(kind, named["x-openclaw-agent-id"])
        finally:
            self._inside[session] -= 1
        writer.write(reply)

    def _pause(self, kind: str) -> float:
        most = {"hangs": HANG_SECONDS, "late": LATE_SECONDS}.get(kind, FAST_SECONDS)
        return most if kind == "hangs" else self._chance.uniform(0, most)

    def _reply(self, kind: str, agent: str) -> bytes:  # noqa: PLR0911 one for each kind
        match kind:
            case "rate_limited":
                return _http(429, b"slowly", "Retry-After: 1\r\n")
            case "broken" | "unavailable" | "unknown":
                return _http({"broken": 500, "unavailable": 503, "unknown": 404}[kind], b"no")
            case "cut":
                return _http(200, b'{"output": [', length=4000)
            case "malformed":
                return _http(200, b'{"output": [{"type": "message", "con')
            case "half":
                return _http(200, b'{"status": "incomplete", "output": []}')
            case "calls":
                return self._whole([self._call(number, agent) for number in range(self._chance.randint(1, 3))])
            case "no_reply" | "silence":
                return self._whole([_text("NO_REPLY" if kind == "no_reply" else "")])
            case _:
                return self._whole([_text(self._words(agent))])

    def _words(self, agent: str) -> str:
        mark = self._mark()
        others = [slug for slug in CREW if slug != agent]
        return (
            f"@{self._chance.choice(others)} said {mark}"
            if not self.is_healed and self._chance.random() < 0.2
            else f"said {mark}"
        )

    def _mark(self) -> str:
        return f"mark{self._chance.getrandbits(64):016x}"

    def _call(self, number: int, agent: str) -> dict[str, Any]:
        mark, task_id, name = self._mark(), self._chance.choice(self.tasks), self._chance.choice(ELSEWHERE)
        arguments: dict[str, Any] = {"task_id": task_id}
        match name:
            case "task_message":
                arguments |= {"content": f"did {mark}"}
            case "task_status":
                arguments |= {"status": self._chance.choice(["in_progress", "review", "blocked", "done"]), "reason": mark}
                arguments |= {"blocked_reason": mark} if arguments["status"] == "blocked" else {}
            case "response_request":
                other = self._chance.choice([slug for slug in CREW if slug != agent])
                arguments |= {"recipient_slugs": [other], "message": f"asks {mark}"}
            case _:
                arguments |= {"title": mark, "content": f"wrote {mark}", "type": "note"}
        written = "{" if self._chance.random() < 0.03 else json.dumps(arguments)
        return {"type": "function_call", "call_id": f"call_{number}", "name": name, "arguments": written, "mark": mark}

    def _whole(self, output: list[dict[str, Any]]) -> bytes:
        marks = [(one["name"], one.pop("mark")) for one in output if "mark" in one]
        cost = Decimal(round(self._chance.uniform(0.1, COST_MOST_CENTS), 4)).quantize(Decimal("0.0001")) / 100
        told = Told(self._chance.randint(1, 900), self._chance.randint(1, 90), cost, marks)
        model = f"m{len(self.told)}"
        self.told[model] = told
        usage = {"input_tokens": told.input_tokens, "output_tokens": told.output_tokens, "cost": str(cost)}
        return _http(200, json.dumps({"object": "response", "model": model, "output": output, "usage": usage}).encode())


async def _gone(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait, or until the caller hung up; answers whether it did."""
    try:
        async with asyncio.timeout(seconds):
            await reader.read()
    except TimeoutError:
        return False
    return True


def _text(words: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": words}]}


def _http(status: int, body: bytes, headers: str = "", *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {size}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def listening(seed: int) -> AsyncIterator[Gateway]:
    gateway = Gateway(seed)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, backlog=1000)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        server.close()
