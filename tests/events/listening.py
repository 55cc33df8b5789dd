"""Clients of the event stream: one that calls the application itself, and what they read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from app.events import service as events
from app.kernel.ids import new_id
from tests import make

PATH = "/api/v1/events/stream"
PATIENCE_SECONDS = 20.0


class Listener:
    """A client that takes what it is sent while `takes` is set."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.takes.set()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces = 0
        self.raw = b""
        self.has_ended = False
        self.left = asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            return
        self.pieces += 1
        await self.takes.wait()
        self.raw += message.get("body", b"")
        self.has_ended = not message.get("more_body", False)

    @property
    def events(self) -> list[dict[str, Any]]:
        return events_of(self.raw)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    async def until(self, count: int) -> list[dict[str, Any]]:
        """All events so far, once there are `count`."""

        async def enough() -> bool:
            return len(self.events) >= count

        await make.until(enough)
        return self.events


def events_of(raw: bytes) -> list[dict[str, Any]]:
    """The whole events of a stream; each names itself in its frame as it does in its data."""
    found = []
    for block in raw.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            event = msgspec.json.decode(fields["data"])
            assert (fields["id"], fields["event"]) == (str(event["seq"]), event["type"])
            found.append(event)
    return found


@asynccontextmanager
async def listening(board: Any, query: str = "", *, who: str = "owner@example.com", **headers: str) -> AsyncIterator[Listener]:
    """A stream that has begun, or was refused; its client goes away when the block ends."""
    listener = Listener()
    sent = {"authorization": f"Bearer {board.tokens[who]}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("board", 80),
    }
    call = asyncio.create_task(board._application(scope, listener.receive, listener.send))

    async def begun() -> bool:
        return call.done() or listener.pieces > 0

    try:
        await make.until(begun)
        yield listener
    finally:
        listener.left.set()
        listener.takes.set()
        await asyncio.wait_for(call, PATIENCE_SECONDS)


async def happen(database: Any, account_id: Any, count: int = 1, *, kind: str = "test:thing:changed", **about: Any) -> Any:
    """Record events of one thing, one transaction each; answers the thing's id."""
    thing = new_id()
    for number in range(count):
        async with database.transaction(account_id, origin=make.ORIGIN) as tx:
            events.record(tx, kind, entity=("thing", thing), sequence=number + 1, actor=None, payload=about)
    return thing
